// Planted bugs in decoders: realistic mistakes that can be compiled in, one at a time, by
// RAMET_PLANTED=N. The fuzz targets' replay must catch each (tests/fuzz/CMakeLists.txt). Numbers go
// on from those of engine/planted.h. Never set in what is shipped.
#pragma once

#ifndef RAMET_PLANTED
#define RAMET_PLANTED 0
#endif

namespace ramet {

enum class DecoderBug {
  kLongVarint = 9,      // a varint may be longer than needed
  kEqualKeys = 10,      // two entries of a node may have one key
  kShortPayload = 11,   // a payload may decode to fewer bytes than its header says
  kSlotPastEnd = 12,    // a slot may end behind the frames of its segment
  kBareEscape = 13,     // in a key, 00 before anything is a zero byte
  kBlockOverrun = 14,   // an extent may end behind its block
  kPageOverfull = 15,   // a page of the index may say that it holds more than fits
  kRawLenUnbound = 16,  // a frame of any codec may claim any raw length
};

constexpr bool planted(DecoderBug bug) { return RAMET_PLANTED == static_cast<int>(bug); }

}  // namespace ramet
