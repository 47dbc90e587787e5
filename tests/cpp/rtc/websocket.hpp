// rtc::WebSocket as examples/cpp/pc.cpp uses it, for machines without libdatachannel: ws:// only,
// one frame at a time.

#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <regex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace rtc {

using binary = std::vector<std::byte>;

class WebSocket {
public:
    struct Configuration {
        std::optional<std::chrono::milliseconds> pingInterval;
    };

    explicit WebSocket(Configuration) {}

    ~WebSocket() {
        if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
        if (reader_.joinable()) reader_.join();
        if (socket_ >= 0) ::close(socket_);
    }

    void onOpen(std::function<void()> call) { opened_ = std::move(call); }
    void onClosed(std::function<void()> call) { closed_ = std::move(call); }
    void onError(std::function<void(std::string)> call) { failed_ = std::move(call); }
    void onMessage(std::function<void(binary)>, std::function<void(std::string)> call) {
        told_ = std::move(call);
    }

    void open(const std::string& url) {
        reader_ = std::thread([this, url] { read(url); });
    }

    bool send(std::variant<binary, std::string> message) {
        return write(0x81, std::get<std::string>(message));
    }

private:
    void read(const std::string& url) {
        if (connect(url)) {
            opened_();
            while (read_frame()) {
            }
        } else {
            failed_("cannot connect to " + url);
        }
        closed_();
    }

    bool connect(const std::string& url) {
        std::smatch parts;
        addrinfo* found = nullptr;
        if (!std::regex_match(url, parts, std::regex("ws://([^:/]+):(\\d+)(/.*)?"))) return false;
        if (getaddrinfo(parts.str(1).c_str(), parts.str(2).c_str(), nullptr, &found)) return false;
        socket_ = ::socket(found->ai_family, SOCK_STREAM, 0);
        const bool connected = ::connect(socket_, found->ai_addr, found->ai_addrlen) == 0;
        freeaddrinfo(found);
        if (!connected) return false;
        const std::string request = "GET / HTTP/1.1\r\nHost: " + parts.str(1) + ":" + parts.str(2) +
                                    "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                    "Sec-WebSocket-Version: 13\r\n"
                                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        ::send(socket_, request.data(), request.size(), MSG_NOSIGNAL);
        std::string answer;
        for (char byte; !answer.ends_with("\r\n\r\n"); answer += byte)
            if (::recv(socket_, &byte, 1, 0) != 1) return false;
        return answer.starts_with("HTTP/1.1 101 ");
    }

    bool read_frame() {
        std::uint8_t head[2], more[8];
        if (!take(head, 2)) return false;
        std::uint64_t size = head[1];
        if (const std::size_t bytes = size == 126 ? 2 : size == 127 ? 8 : 0) {
            if (!take(more, bytes)) return false;
            size = 0;
            for (std::size_t index = 0; index < bytes; ++index) size = size << 8 | more[index];
        }
        std::string text(size, '\0');
        if (!take(text.data(), size)) return false;
        if (head[0] == 0x89) write(0x8a, text);  // a ping
        if (head[0] == 0x81) told_(text);
        return head[0] != 0x88;  // a Close frame
    }

    bool take(void* to, std::size_t size) {
        return size == 0 || ::recv(socket_, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
    }

    bool write(std::uint8_t head, const std::string& text) {
        std::string frame{static_cast<char>(head)};
        const auto size = text.size();  // up to 64 KiB, as the server takes it
        frame += static_cast<char>(0x80 | (size < 126 ? size : 126));
        if (size >= 126) frame += {static_cast<char>(size >> 8), static_cast<char>(size)};
        frame += std::string(4, '\0') + text;  // a mask of zeros changes nothing
        return ::send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(frame.size());
    }

    int socket_ = -1;
    std::thread reader_;
    std::function<void()> opened_, closed_;
    std::function<void(std::string)> failed_, told_;
};

}  // namespace rtc
