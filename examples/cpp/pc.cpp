// A PC for VI-SLAM: receives phones' cameras and IMUs by WebRTC, with libdatachannel.
//
//     pc ws://127.0.0.1:8765 lab1 [id [token]]
//
// It answers every offer that a peer of its room sends.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include <nlohmann/json.hpp>
#include <rtc/rtc.hpp>

using nlohmann::json;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// The one thread on which all of this runs. libdatachannel calls from threads of its own.
class Loop {
public:
    void post(std::function<void()> work, std::chrono::milliseconds delay = 0ms) {
        std::lock_guard lock(mutex_);
        work_.emplace(Clock::now() + delay, std::move(work));
        grown_.notify_one();
    }

    void run() {
        std::unique_lock lock(mutex_);
        while (!ended_) {
            if (work_.empty()) {
                grown_.wait(lock);
            } else if (const auto next = work_.begin(); next->first > Clock::now()) {
                grown_.wait_until(lock, Clock::time_point(next->first));
            } else {
                const auto work = std::move(next->second);
                work_.erase(next);
                lock.unlock();
                work();
                lock.lock();
            }
        }
    }

    void end() { ended_ = true; }

private:
    std::mutex mutex_;
    std::condition_variable grown_;
    std::multimap<Clock::time_point, std::function<void()>> work_;
    bool ended_ = false;
};

// A client of the signaling server. It comes back by itself when its connection breaks, and
// sends again what may not have arrived.
class Signaling {
public:
    std::function<void(const json&)> on_entered, on_ice_servers, on_message;

    Signaling(Loop& loop, std::string url, json registration)
        : loop_(loop), url_(std::move(url)), registration_(std::move(registration)) {
        registration_.update({{"type", "register"}, {"resume", true}, {"ice_servers", true}});
    }

    void connect() {
        rtc::WebSocket::Configuration configuration;
        configuration.pingInterval = 15s;
        socket_ = std::make_shared<rtc::WebSocket>(configuration);
        const auto connection = ++connection_;
        const auto mine = [this, connection](std::function<void()> work) {
            loop_.post([=, this] { if (connection == connection_) work(); });
        };
        socket_->onOpen([=, this] { mine([this] { enter(); }); });
        socket_->onClosed([=, this] { mine([this] { come_back(); }); });
        socket_->onError([](std::string error) { std::cerr << error << std::endl; });
        socket_->onMessage(nullptr, [=, this](std::string text) {
            mine([=, this] { receive(json::parse(text)); });
        });
        socket_->open(url_);
    }

    void send(const json& message) {
        outbox_.push_back(message);
        send_next();
    }

    // Drop what waits to be sent to a peer: it belongs to a call that is over.
    void forget(const std::string& peer) {
        const auto stale = [&peer](const json& message) {
            return message.value("target_id", "") == peer;
        };
        outbox_.erase(std::remove_if(outbox_.begin() + sending_, outbox_.end(), stale),
                      outbox_.end());
    }

private:
    void come_back() {
        entered_ = false;
        static std::mt19937 random{std::random_device{}()};
        const auto pause = std::uniform_int_distribution<long>(pause_ms_ / 2, pause_ms_)(random);
        pause_ms_ = std::clamp(2 * pause_ms_, 1'000L, 10'000L);
        loop_.post([this] { connect(); }, std::max(until_allowed(), std::chrono::milliseconds(pause)));
    }

    void enter() {
        json entry = registration_;
        if (!resume_token_.empty())
            entry = {{"type", "resume"}, {"resume_token", resume_token_}, {"received", received_}};
        socket_->send(entry.dump());
    }

    void receive(const json& message) {
        ++received_;
        const std::string type = message["type"];
        const long wait = message.value("retry_after_ms", message.value("reconnect_in_ms", 0L));
        not_before_ = std::max(not_before_, Clock::now() + std::chrono::milliseconds(wait));
        if (type == "registered" || type == "resumed") {
            received_ = 0;
            resume_token_ = message.value("resume_token", "");
            pause_ms_ = 0;
            entered_ = true;
            sending_ = false;
            if (type == "registered") outbox_.clear();  // it belongs to calls of before
            take_ice_servers(message);
            on_entered(message);
            send_next();
        } else if (type == "error" && !entered_ && wait > 0) {
            loop_.post([this] { enter(); }, until_allowed());
        } else if (type == "error" && !entered_ && message["code"] == "resume_expired") {
            resume_token_.clear();  // it was away for too long, or the server was started anew
            enter();
        } else if (type == "error" && !entered_) {
            std::cerr << "The server says: " << message["message"] << std::endl;
            loop_.end();  // such as an id that is taken, or a wrong token: coming back does not help
        } else if (type == "error" && wait > 0) {  // refused: it is sent again then
            sending_ = false;
            loop_.post([this] { send_next(); }, until_allowed());
        } else if (type == "pong" && sending_) {
            outbox_.pop_front();
            sending_ = false;
            send_next();
        } else if (type == "ice_servers") {
            take_ice_servers(message);
        } else if (type != "pong" && type != "server_shutdown") {
            on_message(message);
        }
    }

    // Use them from now on, and ask for fresh credentials before these expire.
    void take_ice_servers(const json& message) {
        if (!message.contains("ice_servers")) return;
        on_ice_servers(message["ice_servers"]);
        const long milliseconds = message.value("ice_servers_expire_in_ms", 0L);
        const auto ask = [this, taken = ++ice_servers_] {
            if (taken == ice_servers_) send({{"type", "ice_servers"}});
        };
        if (milliseconds > 0) loop_.post(ask, std::chrono::milliseconds(milliseconds * 3 / 4));
    }

    // Send the first of the outbox. The pong says that the server has it.
    void send_next() {
        if (!entered_ || sending_ || outbox_.empty() || until_allowed() > 0ms) return;
        sending_ = true;
        socket_->send(outbox_.front().dump());
        socket_->send(R"({"type": "ping"})");
    }

    std::chrono::milliseconds until_allowed() const {
        return std::chrono::ceil<std::chrono::milliseconds>(
            std::max(not_before_ - Clock::now(), Clock::duration::zero()));
    }

    Loop& loop_;
    std::string url_;
    json registration_;
    std::shared_ptr<rtc::WebSocket> socket_;
    int connection_ = 0, ice_servers_ = 0;  // how many there have been
    bool entered_ = false, sending_ = false;
    std::string resume_token_;
    int received_ = 0;  // messages since it came into the room, or back
    long pause_ms_ = 0;
    Clock::time_point not_before_;  // the server asks not to be spoken to until then
    std::deque<json> outbox_;
};

// One WebRTC connection that a peer has offered.
class Call {
public:
    const json offer;
    bool connected = false;

    Call(Loop& loop, Signaling& signaling, const rtc::Configuration& configuration, json message)
        : offer(std::move(message)), peer_(offer["sender_id"]), connection_(configuration) {
        const auto alive = std::weak_ptr(alive_);
        const auto send = [&loop, &signaling, alive, peer = peer_](json message) {
            message["target_id"] = peer;
            loop.post([&signaling, alive, message] {
                if (!alive.expired()) signaling.send(message);
            });
        };
        connection_.onLocalDescription([send](rtc::Description answer) {
            const json sdp = {{"type", answer.typeString()}, {"sdp", std::string(answer)}};
            send({{"type", answer.typeString()}, {"sdp", sdp}});
        });
        connection_.onLocalCandidate([send](rtc::Candidate candidate) {
            const json init = {{"candidate", candidate.candidate()}, {"sdpMid", candidate.mid()}};
            send({{"type", "ice_candidate"}, {"candidate", init}});
        });
        connection_.onGatheringStateChange([send](rtc::PeerConnection::GatheringState state) {
            if (state == rtc::PeerConnection::GatheringState::Complete)
                send({{"type", "ice_candidate"}, {"candidate", nullptr}});
        });
        connection_.onDataChannel([this](std::shared_ptr<rtc::DataChannel> channel) {
            channel->onMessage(nullptr, [this](std::string sample) { receive_sample(sample); });
            channel_ = channel;
        });
        connection_.onTrack([this](std::shared_ptr<rtc::Track> track) {
            track->setMediaHandler(std::make_shared<rtc::RtcpReceivingSession>());
            track->onMessage([this](rtc::binary packet) { receive_packet(packet); }, nullptr);
            track_ = track;
        });
    }

    // Tell `changed` of each state of the connection, then answer the offer.
    void answer(std::function<void(rtc::PeerConnection::State)> changed) {
        connection_.onStateChange(std::move(changed));
        const json& sdp = offer["sdp"];  // an RTCSessionDescriptionInit, or the SDP alone
        const std::string text = sdp.is_object() ? sdp["sdp"] : sdp;
        connection_.setRemoteDescription(rtc::Description(text, "offer"));  // which answers it
    }

    void take_candidate(const json& init) {
        if (init.is_null() || init.value("candidate", "").empty()) return;  // their end
        const json mid = init.value("sdpMid", json());
        connection_.addRemoteCandidate(
            rtc::Candidate(init["candidate"], mid.is_string() ? mid.get<std::string>() : ""));
    }

private:
    // This is where a SLAM system would take the sample: timestamp_ns, acc_x … gyro_z.
    void receive_sample(const std::string& sample) {
        if (samples_++ % 200 == 0) std::cout << peer_ << ": " << sample << std::endl;
    }

    // This is where a decoder would take the RTP packet.
    void receive_packet(const rtc::binary& packet) {
        if (packets_++ % 200 == 0) std::cout << peer_ << ": " << packet.size() << " bytes" << std::endl;
    }

    std::string peer_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    long samples_ = 0, packets_ = 0;
    std::shared_ptr<rtc::DataChannel> channel_;
    std::shared_ptr<rtc::Track> track_;
    rtc::PeerConnection connection_;  // the last: it ends first, and its calls to the others too
};

// Answers all phones.
class Pc {
public:
    Pc(Loop& loop, Signaling& signaling) : loop_(loop), signaling_(signaling) {
        signaling.on_entered = [this](const json& message) { enter(message); };
        signaling.on_ice_servers = [this](const json& servers) { use(servers); };
        signaling.on_message = [this](const json& message) { handle(message); };
    }

private:
    void enter(const json& message) {
        std::cout << message["type"] << ", peers: " << message["peers"] << std::endl;
        if (message["type"] == "registered")  // a call that was being made is offered again
            std::erase_if(calls_, [](const auto& call) { return !call.second->connected; });
    }

    // Take STUN and TURN servers, in the form of RTCConfiguration.iceServers.
    void use(const json& ice_servers) {
        configuration_.iceServers.clear();
        for (const json& server : ice_servers)
            for (const std::string url : server["urls"]) {
                rtc::IceServer& taken = configuration_.iceServers.emplace_back(url);
                taken.username = server.value("username", "");
                taken.password = server.value("credential", "");
            }
    }

    void handle(const json& message) {
        const std::string type = message["type"];
        const auto call = calls_.find(message.value("sender_id", message.value("client_id", "")));
        if (type == "offer" && (call == calls_.end() || call->second->offer != message)) {
            answer(message);  // else the phone did not know whether it had arrived
        } else if (type == "ice_candidate" && call != calls_.end()) {
            call->second->take_candidate(message["candidate"]);
        } else if (type == "peer_left" && call != calls_.end() && !call->second->connected) {
            calls_.erase(call);  // a connected one goes on: its media need no signaling
        } else if (type == "error") {
            std::cerr << "The server says: " << message["message"] << std::endl;
        }
    }

    void answer(const json& offer) {
        const std::string peer = offer["sender_id"];
        auto& call = calls_[peer];  // another offer while there is a call: the phone starts anew
        if (call) signaling_.forget(peer);
        call = std::make_shared<Call>(loop_, signaling_, configuration_, offer);
        call->answer([this, peer, weak = std::weak_ptr(call)](State state) {
            loop_.post([=, this] { follow(peer, weak.lock(), state); });
        });
    }

    using State = rtc::PeerConnection::State;

    void follow(const std::string& peer, std::shared_ptr<Call> call, State state) {
        if (!call) return;
        call->connected = state == State::Connected;
        std::cout << peer << (call->connected ? ": connected" : ": not connected") << std::endl;
        const bool over = state == State::Failed || state == State::Closed;
        const auto found = calls_.find(peer);
        if (over && found != calls_.end() && found->second == call) calls_.erase(found);
    }

    Loop& loop_;
    Signaling& signaling_;
    rtc::Configuration configuration_;
    std::map<std::string, std::shared_ptr<Call>> calls_;
};

int main(int count, char** arguments) {
    if (count < 3) return std::cerr << "pc URL ROOM [ID [TOKEN]]" << std::endl, 2;
    json registration = {{"client_id", count > 3 ? arguments[3] : "pc"},
                         {"room_id", arguments[2]},
                         {"client_type", "pc"}};
    if (count > 4) registration["token"] = arguments[4];
    Loop loop;
    Signaling signaling(loop, arguments[1], registration);
    Pc pc(loop, signaling);
    signaling.connect();
    loop.run();
    return 1;
}
