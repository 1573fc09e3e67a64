#include "tests/support/token_server.hpp"

#include <algorithm>
#include <sstream>

namespace postern::test {
namespace {

TokenCall read_call(Peer& peer) {
  TokenCall call;
  std::istringstream head(peer.read_head());
  std::string line;
  std::getline(head, line);
  call.method = line.substr(0, line.find(' '));
  call.target = line.substr(call.method.size() + 1);
  call.target.resize(std::min(call.target.size(), call.target.find(' ')));
  while (std::getline(head, line) && line != "\r") {
    const std::size_t colon = line.find(':');
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::string value = line.substr(colon + 2);
    call.headers[name] = value.substr(0, value.find('\r'));
  }
  const auto length = call.headers.find("content-length");
  if (length != call.headers.end()) call.body = peer.read(std::stoul(length->second));
  return call;
}

}  // namespace

TokenStep TokenStep::json(std::string_view body, int status, std::string_view more_headers) {
  TokenStep step;
  step.bytes = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
               std::string(more_headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               std::string(body);
  return step;
}

TokenServer::TokenServer(Identity identity, std::vector<TokenStep> script)
    : script_(script.begin(), script.end()), server_(std::move(identity), [this](Peer& peer) { answer(peer); }) {}

std::vector<TokenCall> TokenServer::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void TokenServer::answer(Peer& peer) {
  TokenCall call = read_call(peer);
  TokenStep step;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    step = script_.front();
    if (script_.size() > 1) script_.pop_front();
  }
  if (step.before != nullptr) step.before->wait();
  if (!step.bytes.empty()) peer.write(step.bytes);
  switch (step.end) {
    case TokenStep::End::close_notify:
      return peer.close_notify();
    case TokenStep::End::cut:
      return peer.cut();
    case TokenStep::End::reset:
      return peer.reset();
    case TokenStep::End::stall:
      peer.wait_for_end();
  }
}

}  // namespace postern::test
