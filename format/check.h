// Assertions. RAMET_CHECK stays on in every build and is for bugs in this program; it is never
// used on bytes that came from a disk, a network or a user (those give a Result).
#pragma once

namespace ramet {

// Prints file, line, the condition and the message to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message);

}  // namespace ramet

// Aborts with the message when the condition does not hold. The message carries the tag of the
// invariant it guards, where there is one: RAMET_CHECK(x >= y, "[INV-1] ...").
#define RAMET_CHECK(condition, message)                                             \
  (static_cast<bool>(condition)                                                     \
       ? static_cast<void>(0)                                                       \
       : ::ramet::check_failed(__FILE__, __LINE__, #condition, message))

// The same, only in builds without NDEBUG: for checks that cost more than O(1).
#ifdef NDEBUG
#define RAMET_DCHECK(condition, message) static_cast<void>(0)
#else
#define RAMET_DCHECK(condition, message) RAMET_CHECK(condition, message)
#endif
