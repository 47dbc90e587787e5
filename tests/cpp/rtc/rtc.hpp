// libdatachannel as examples/cpp/pc.cpp uses it, for machines without it: a peer connection that
// prints what it is told, and answers as if it were one.

#pragma once

#include <iostream>
#include <memory>

#include "websocket.hpp"

namespace rtc {

struct IceServer {
    explicit IceServer(const std::string& url) : hostname(url) {}
    std::string hostname, username, password;
};

struct Configuration {
    std::vector<IceServer> iceServers;
};

class Description {
public:
    Description(const std::string& sdp, std::string type) : sdp_(sdp), type_(std::move(type)) {}
    std::string typeString() const { return type_; }
    explicit operator std::string() const { return sdp_; }

private:
    std::string sdp_, type_;
};

class Candidate {
public:
    Candidate(std::string candidate, std::string mid)
        : candidate_(std::move(candidate)), mid_(std::move(mid)) {}
    std::string candidate() const { return candidate_; }
    std::string mid() const { return mid_; }

private:
    std::string candidate_, mid_;
};

class RtcpReceivingSession {};

class DataChannel {
public:
    void onMessage(std::function<void(binary)>, std::function<void(std::string)>) {}
};

class Track {
public:
    void setMediaHandler(std::shared_ptr<RtcpReceivingSession>) {}
    void onMessage(std::function<void(binary)>, std::function<void(std::string)>) {}
};

class PeerConnection {
public:
    enum class State { New, Connecting, Connected, Disconnected, Failed, Closed };
    enum class GatheringState { New, InProgress, Complete };

    explicit PeerConnection(const Configuration& configuration) {
        for (const auto& server : configuration.iceServers)
            std::cout << "ICE server " << server.hostname << " " << server.username << std::endl;
    }

    void onLocalDescription(std::function<void(Description)> call) { described_ = call; }
    void onLocalCandidate(std::function<void(Candidate)> call) { found_ = call; }
    void onGatheringStateChange(std::function<void(GatheringState)> call) { gathered_ = call; }
    void onStateChange(std::function<void(State)> call) { changed_ = call; }
    void onDataChannel(std::function<void(std::shared_ptr<DataChannel>)>) {}
    void onTrack(std::function<void(std::shared_ptr<Track>)>) {}

    void setRemoteDescription(Description offer) {
        std::cout << "remote " << offer.typeString() << " " << std::string(offer) << std::endl;
        described_(Description("v=0 answered", "answer"));
        found_(Candidate("candidate:9 1 udp 1 192.0.2.9 9 typ host", "0"));
        gathered_(GatheringState::Complete);
    }

    void addRemoteCandidate(Candidate candidate) {
        std::cout << "remote candidate " << candidate.candidate() << " of " << candidate.mid()
                  << std::endl;
        changed_(State::Connected);
    }

private:
    std::function<void(Description)> described_;
    std::function<void(Candidate)> found_;
    std::function<void(GatheringState)> gathered_;
    std::function<void(State)> changed_;
};

}  // namespace rtc
