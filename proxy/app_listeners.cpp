#include "proxy/app_listeners.hpp"

#include <fmt/format.h>

namespace postern {

std::expected<Listeners, std::string> bind_listeners(net::Worker& worker, const config::Settings& settings,
                                                     const Activation& activation) {
  Listeners out;
  for (const int fd : activation.proxy) out.push_back(net::Listener::adopt(worker, fd));
  std::vector<std::string> addresses{settings.listen.proxy};
  addresses.insert(addresses.end(), settings.listen.more_proxy.begin(), settings.listen.more_proxy.end());
  if (!out.empty()) addresses.clear();
  for (const std::string& text : addresses) {
    const auto at = net::Endpoint::parse(text.starts_with("localhost:") ? "127.0.0.1" + text.substr(9) : text);
    if (!at) return std::unexpected("listen.proxy: " + at.error());
    auto listener = net::Listener::bind(worker, *at);
    if (!listener) return std::unexpected("listen.proxy: " + listener.error());
    out.push_back(std::move(*listener));
  }
  if (!settings.listen.unix_path.empty()) {
    auto listener = net::Listener::bind(worker, settings.listen.unix_path);
    if (!listener) return std::unexpected("listen.unix: " + listener.error());
    out.push_back(std::move(*listener));
  }
  if (std::string wrong = refuse_listeners(settings, out); !wrong.empty()) return std::unexpected(std::move(wrong));
  return out;
}

std::string refuse_listeners(const config::Settings& settings, const Listeners& listeners) {
  for (const auto& listener : listeners) {
    if (listener->address().family() == AF_UNSPEC) continue;  // a unix socket: its file says who may connect
    if (net::classify(listener->address()) == net::AddressClass::loopback) continue;
    if (settings.open_callers)
      return fmt::format(
          "listen.proxy {} is off loopback, and callers.mode open serves anybody who reaches it; use "
          "callers.mode: required",
          listener->text());
    if (!settings.insecure_listen)
      return fmt::format(
          "listen.proxy {} is off loopback, where tokens cross the network in clear; say "
          "insecure_listen: true if that is meant",
          listener->text());
  }
  return {};
}

}  // namespace postern
