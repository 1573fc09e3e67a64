#pragma once
// Tells the service manager how we are (sd_notify(3)), by a datagram to NOTIFY_SOCKET, a path or an abstract name.
//
// Thread safety: notify() from any thread. Nothing happens where NOTIFY_SOCKET is not set; a manager that does not
// listen costs nothing but the message.
#include <chrono>
#include <string_view>

namespace postern {

// Lines as the protocol has them: "READY=1", "STOPPING=1", "STATUS=…", "WATCHDOG=1".
void notify(std::string_view state);
// RELOADING=1 with the time it began, which Type=notify-reload wants; READY=1 ends it.
void notify_reloading();
// How often WATCHDOG=1 is due: half of WATCHDOG_USEC. Zero: nobody watches this process.
std::chrono::milliseconds watchdog_interval();

}  // namespace postern
