// What systemd is told (sd_notify(3)): a datagram to $NOTIFY_SOCKET, nothing where there is none.
#pragma once

#include <cstdint>
#include <string_view>

namespace ramet::serve {

// "READY=1", "STOPPING=1", "RELOADING=1", "WATCHDOG=1", "STATUS=..."; several lines at once. What
// fails is nobody's business: systemd finds out by itself.
void notify_systemd(std::string_view state);

// How often systemd wants to hear of this process, in nanoseconds; 0: never
// (sd_watchdog_enabled(3)).
int64_t watchdog_interval();

}  // namespace ramet::serve
