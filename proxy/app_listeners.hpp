#pragma once
// The doors for callers: what was handed over, or what `listen:` says, and whether it may stand open.
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "proxy/app_activation.hpp"
#include "proxy/net/listener.hpp"

namespace postern {

using Listeners = std::vector<std::unique_ptr<net::Listener>>;

// Sockets named proxy take the place of listen.proxy. The error is one line: which setting, where, what to do.
std::expected<Listeners, std::string> bind_listeners(net::Worker& worker, const config::Settings& settings,
                                                     const Activation& activation);
// Off loopback an open listener is refused, and a plain one needs insecure_listen, whoever bound it. Empty: all is
// well.
std::string refuse_listeners(const config::Settings& settings, const Listeners& listeners);

}  // namespace postern
