// The list of what fsck can find. tests/tidy_test compares it with docs/fsck.md.
#include <algorithm>
#include <array>

#include "engine/fsck.h"

namespace ramet {
namespace {

using enum Severity;

constexpr std::string_view kMend =
    "All else still reads. 'ramet fsck --plan' says what a repair saves; '--apply' does it, and "
    "'--undo' takes it back.";
// Of what is nowhere else: the bytes that were there.
constexpr std::string_view kScavenge =
    "'ramet scavenge --dry-run' says what the segments still give; without it, it is done, and "
    "'ramet fsck --undo' takes it back.";

constexpr std::array kKinds = {
    FindingKind{"block-damaged", kLost,
                "Bytes of content cannot be read, or are not those that were written. Every object "
                "that holds the block is named.",
                "If there is a good copy, put or import it again to each place that is named, with "
                "--verify-hits: then it is stored anew. 'ramet fsck --apply --data' puts what is "
                "left of the others into lost+found."},
    FindingKind{"catalog-entry", kLost,
                "An entry of the catalog (a container, snapshot, setting, dropped thing, or one of "
                "access control) cannot be decoded, or contradicts another one.", kMend},
    FindingKind{"checkpoint-copy", kDamage,
                "One of the two copies of the last checkpoint's record cannot be read. The other "
                "one was used.",
                "Nothing is lost. The next checkpoint writes both anew; check the device."},
    FindingKind{"checkpoint-fallback", kDamage,
                "The newest checkpoint cannot be read. The one before it was used, and the log "
                "behind it.",
                "Open the store for writing: it goes on from there. Check the device."},
    FindingKind{"checkpoint-lost", kLost,
                "No checkpoint can be read: the trees have no root.",
                kScavenge},
    FindingKind{"content-id", kLost,
                "An object's content is composed of other pieces than were written: each block may "
                "be fine, and yet the whole is wrong.", kMend},
    FindingKind{"count-high", kDamage,
                "More references are counted to a block or node than lead to it: its space would "
                "never come back.", kMend},
    FindingKind{"count-low", kDamage,
                "Fewer references are counted to a block or node than lead to it: it could be "
                "given "
                "up although it is needed.",
                "Do not open the store for writing: what is needed could be given up. 'ramet fsck "
                "--apply' counts anew."},
    FindingKind{"entry-malformed", kLost,
                "An entry of a container (an object, name, folder or run of extents) cannot be "
                "decoded.", kMend},
    FindingKind{"entry-mismatch", kDamage,
                "Entries of a container contradict each other: a name without its object, an "
                "object "
                "without its name, a wrong number of names, and so on.", kMend},
    FindingKind{"file-unknown", kHint,
                "A file among the segments belongs to nothing that the store knows.",
                "Nothing: the next process that has the store open for writing removes what a "
                "crash left. A file with a foreign name stays; look at it."},
    FindingKind{"frame-damaged", kDamage,
                "A frame that nothing needs any more, or bytes between frames, are not what was "
                "written.",
                "Nothing is lost, but the device or the memory is not to be trusted: check them. "
                "'ramet fsck --apply --data' copies what is needed to a new file."},
    FindingKind{"hole-filled", kDamage,
                "A range that was given back to the file system has bytes.",
                "Nothing is lost. Was the directory copied by a program that writes into files?"},
    FindingKind{"index-damaged", kHint,
                "A part of the dedupe index cannot be read, or leads to something else.",
                "Nothing is lost: equal content may be stored twice. Delete the folder 'index'; it "
                "is made anew."},
    FindingKind{"log-damaged", kLost,
                "The log cannot be read up to its durable end: commits behind the place are lost, "
                "unless the bytes come back.",
                "The store opens for reading, with the state before it. 'ramet fsck --plan' says "
                "which commits behind it a repair brings back."},
    FindingKind{"map-damaged", kDamage,
                "The map of segments and counts cannot be read in part.", kMend},
    FindingKind{"node-order", kLost,
                "The keys of a tree node are out of order, or outside of what leads to it: entries "
                "cannot be found.", kMend},
    FindingKind{"node-shape", kDamage,
                "A tree node has a shape that is never written (no entries, one child, a newer "
                "child "
                "than its pointer says).", kMend},
    FindingKind{"node-summary", kDamage,
                "The totals that a pointer gives for what lies below it are wrong: 'du', quotas "
                "and "
                "counts would be.", kMend},
    FindingKind{"node-unreadable", kLost,
                "A tree node cannot be read: the names, folders or objects in it are lost. What "
                "its "
                "keys say of the range is given.", kMend},
    FindingKind{"object-lost", kLost,
                "A name leads to an object that cannot be read: the node that held it is damaged "
                "or "
                "gone.", kMend},
    FindingKind{"object-unnamed", kDamage,
                "An object or folder is there, but the names that led to it are not.", kMend},
    FindingKind{"segment-footer", kDamage,
                "A sealed segment's footer cannot be read or is not where it must be. Its slot "
                "table is made from the frames.", kMend},
    FindingKind{"segment-header", kDamage,
                "A segment file's header cannot be read, or is that of another segment.",
                "Nothing is lost as long as the frames can be read: 'ramet fsck --apply' copies "
                "them to a new file, also where two files were swapped."},
    FindingKind{"segment-missing", kLost,
                "A segment file that is needed is not there, or is shorter than it was.",
                "Bring the file back (from a backup, or lost+found of the file system). If it is "
                "gone for good, 'ramet fsck --plan' says what is lost with it."},
    FindingKind{"slot-table", kDamage,
                "A slot table says something else than the frame that it leads to.", kMend},
    FindingKind{"superblock-bad", kDamage,
                "One of the two superblocks cannot be read. The other one was used.",
                "Nothing is lost. Opening the store for writing writes it anew; check the device."},
    FindingKind{"superblock-lost", kLost,
                "Neither superblock can be read.",
                kScavenge},
    FindingKind{"superblock-stale", kDamage,
                "The two superblocks are not of the same history: one of them is an old copy, or "
                "of "
                "another store.",
                "Was a file of the directory restored alone? Put back the whole directory, or open "
                "the store for writing, which goes on from the newer one."},
};

}  // namespace

std::string_view severity_name(Severity severity) {
  switch (severity) {
    case kLost: return "lost";
    case kDamage: return "damage";
    case kHint: return "hint";
  }
  return "?";
}

std::span<const FindingKind> finding_kinds() { return kKinds; }

const FindingKind& finding_kind(std::string_view code) {
  const auto found = std::lower_bound(
      kKinds.begin(), kKinds.end(), code,
      [](const FindingKind& kind, std::string_view wanted) { return kind.code < wanted; });
  RAMET_CHECK(found != kKinds.end() && found->code == code, "a code that is not in the list");
  return *found;
}

}  // namespace ramet
