// inspect: what a store's files say.
#include <functional>

#include "engine/inspect.h"
#include "tools/commands.h"
#include "tools/inspect_output.h"
#include "tools/path_spec.h"
#include "tools/session.h"
#include "tools/signals.h"

namespace ramet::tools {
namespace {

struct InspectCommand {
  std::string what;
  std::string id;
  bool raw = false;
  bool decoded = false;
  bool slots = false;
  bool frames = false;
  bool entries = false;
  bool no_read = false;
};

Result<std::unique_ptr<Inspector>> open_inspector(Context& context) {
  RAMET_ASSIGN(const std::string path, find_store(context));
  return Inspector::open(path, {});
}

// Prints fields. What was asked for is there, but damaged: exit code 6, so that scripts see it.
Result<int> print_fields(Context& context, Inspector& inspector,
                         const std::function<Status(InspectOutput&)>& body) {
  // Nothing is begun before there is something to say: an error alone prints no empty document.
  class Lazy : public InspectOutput {
   public:
    explicit Lazy(Context& context) : context_(context) {}
    void value(std::string_view name, const InspectValue& value) override {
      out().value(name, value);
    }
    void begin(std::string_view name, InspectPart part) override { out().begin(name, part); }
    void end() override { out().end(); }
    bool is_stopped() const override { return interrupted() || context_.out.failed(); }

   private:
    InspectOutput& out() {
      if (out_ == nullptr) out_ = make_inspect_output(context_);
      return *out_;
    }
    Context& context_;
    std::unique_ptr<InspectOutput> out_;
  };
  {
    Lazy out(context);
    RAMET_TRY(body(out));
  }
  return inspector.found_damage() ? kExitCorruption : kExitOk;
}

Status check_raw(Context& context) {
  if (!context.out.is_terminal()) return ok();
  return context.fail(ErrorCode::kInvalidArgument, "--raw writes bytes, not text",
                      "send them to a file or a pipe, as '| xxd | less'");
}

Result<int> print_bytes(Context& context, const Result<Bytes>& bytes) {
  RAMET_TRY(bytes);
  RAMET_TRY(check_raw(context));
  context.out.write(*bytes);
  return kExitOk;
}

// --decoded is a kind of --raw.
bool wants_bytes(const InspectCommand& command) { return command.raw || command.decoded; }

Result<int> run_superblock(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (!command.raw && command.what.empty()) {
    return print_fields(context, *inspector,
                        [&](InspectOutput& out) { return inspector->superblock(out); });
  }
  if (command.what != "0" && command.what != "1") {
    return Error(ErrorCode::kInvalidArgument, "which superblock: 0 or 1?");
  }
  if (!command.raw) {
    return Error(ErrorCode::kInvalidArgument,
                 "without --raw both superblocks are shown: name none of them");
  }
  return print_bytes(context, inspector->raw_superblock(command.what == "0" ? 0 : 1));
}

Result<int> run_segment(Context& context, const InspectCommand& command) {
  if (command.what.empty() && (command.raw || command.slots || command.frames)) {
    return Error(ErrorCode::kInvalidArgument, "of which segment? Name one");
  }
  std::optional<InspectSegmentName> name;
  if (!command.what.empty()) {
    RAMET_ASSIGN(name, parse_inspect_segment(command.what));
  }
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (command.raw) {
    RAMET_TRY(check_raw(context));
    RAMET_TRY(inspector->raw_segment(name->segment, name->generation, [&](ByteView bytes) {
      context.out.write(bytes);
      return context.out.failed() ? Status(Error(ErrorCode::kCancelled, "interrupted"))
                                  : check_interrupted();
    }));
    return kExitOk;
  }
  return print_fields(context, *inspector, [&](InspectOutput& out) -> Status {
    if (!name) return inspector->segments(out);
    return inspector->segment(name->segment, {name->generation, command.slots, command.frames},
                              out);
  });
}

Result<int> run_frame(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const InspectPlace place, parse_inspect_place(command.what));
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (command.decoded) return print_bytes(context, inspector->raw_payload(place, true));
  if (command.raw) return print_bytes(context, inspector->raw_frame(place));
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->frame(place, out); });
}

Result<int> run_node(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const InspectPlace place, parse_inspect_place(command.what));
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (wants_bytes(command)) {
    return print_bytes(context, inspector->raw_payload(place, command.decoded));
  }
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->node(place, out); });
}

Result<int> run_object(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(command.what));
  InspectObject object{{spec.container, spec.snapshot}, spec.path, {}};
  if (!command.id.empty()) {
    RAMET_ASSIGN(object.id, parse_uuid<ObjectId>(command.id));
  }
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  context.hint = "'ramet inspect catalog' shows containers; --id finds an object whose names are "
                 "damaged";
  if (command.raw) return print_bytes(context, inspector->raw_object(object));
  return print_fields(context, *inspector, [&](InspectOutput& out) {
    return inspector->object(object, !command.no_read, out);
  });
}

Result<int> run_container(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const PathSpec spec, parse_path_spec(command.what));
  if (spec.has_path && !spec.is_root()) {
    return context.fail(ErrorCode::kInvalidArgument, "'" + spec.to_string() + "' is no container",
                        "see 'ramet inspect object'");
  }
  const InspectTree tree{spec.container, spec.snapshot};
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  context.hint = "'ramet inspect catalog' shows what there is";
  if (command.raw) return print_bytes(context, inspector->raw_container(tree));
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->container(tree, out); });
}

Result<int> run_catalog(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (command.raw) return print_bytes(context, inspector->raw_catalog());
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->catalog(out); });
}

Result<int> run_index(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (command.raw) return print_bytes(context, inspector->raw_index());
  return print_fields(context, *inspector, [&](InspectOutput& out) {
    return inspector->index(command.entries, out);
  });
}

Result<int> run_block(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  if (wants_bytes(command)) {
    return print_bytes(context, inspector->raw_block(command.what, command.decoded));
  }
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->block(command.what, out); });
}

Result<int> run_why(Context& context, const InspectCommand& command) {
  RAMET_ASSIGN(const auto inspector, open_inspector(context));
  return print_fields(context, *inspector,
                      [&](InspectOutput& out) { return inspector->why(command.what, out); });
}

constexpr const char* kRaw = "Write the stored bytes instead";

}  // namespace

void add_inspect_commands(CommandLine& line) {
  CLI::App& group = add_group(line, "inspect", "Look at what the files of a store say");
  auto superblock = std::make_shared<InspectCommand>();
  Command(line, group, "superblock", "Both superblocks, and the checkpoint that counts", "[0|1]",
          {"ramet inspect superblock", "ramet inspect superblock --raw 0 | xxd"})
      .argument("which", superblock->what, "With --raw: superblock 0 or 1", false)
      .flag("--raw", superblock->raw, kRaw)
      .run(superblock, run_superblock);
  auto segment = std::make_shared<InspectCommand>();
  Command(line, group, "segment", "All segments, or one: header, map entry, footer, slots",
          "[SEGMENT]",
          {"ramet inspect segment", "ramet inspect segment 17 --slots",
           "ramet inspect segment 00000011.1 --frames"})
      .argument("segment", segment->what, "A number, or the name of a file", false)
      .flag("--slots", segment->slots, "List each slot")
      .flag("--frames", segment->frames, "Read the file through and list each frame")
      .flag("--raw", segment->raw, kRaw)
      .run(segment, run_segment);
  auto frame = std::make_shared<InspectCommand>();
  Command(line, group, "frame", "One frame: header, checks, what its payload says",
          "SEGMENT@OFFSET|SEGMENT:SLOT",
          {"ramet inspect frame 17@4096", "ramet inspect frame 17:3 --raw > frame"})
      .argument("place", frame->what, "A place in the file, or a slot")
      .flag("--raw", frame->raw, kRaw)
      .flag("--decoded", frame->decoded, "Write the payload, as before it was compressed")
      .run(frame, run_frame);
  auto node = std::make_shared<InspectCommand>();
  Command(line, group, "node", "A tree node: keys, children or values, references",
          "SEGMENT:SLOT", {"ramet inspect node 5:17", "ramet inspect node 5:17 --decoded | xxd"})
      .argument("node", node->what, "A slot, or SEGMENT@OFFSET")
      .flag("--raw", node->raw, kRaw)
      .flag("--decoded", node->decoded, "Write its bytes as before they were compressed")
      .run(node, run_node);
  auto object = std::make_shared<InspectCommand>();
  Command(line, group, "object", "An object: record, and where each piece of its content lies",
          "PATH", {"ramet inspect object prod:/a/b", "ramet inspect object prod@nightly --id UUID"})
      .argument("path", object->what, "container[@snapshot]:/path")
      .option("--id", object->id, "UUID", "By its id, instead of by path")
      .flag("--no-read", object->no_read, "Do not read the content")
      .flag("--raw", object->raw, kRaw)
      .run(object, run_object);
  auto container = std::make_shared<InspectCommand>();
  Command(line, group, "container", "A container or snapshot as the catalog has it",
          "CONTAINER[@SNAPSHOT]", {"ramet inspect container prod", "ramet inspect container a@b"})
      .argument("container", container->what, "container[@snapshot]")
      .flag("--raw", container->raw, kRaw)
      .run(container, run_container);
  auto catalog = std::make_shared<InspectCommand>();
  Command(line, group, "catalog", "Every entry: containers, snapshots, drop queue, settings", "",
          {"ramet inspect catalog", "ramet inspect catalog --json | jq .drop_queue"})
      .flag("--raw", catalog->raw, kRaw)
      .run(catalog, run_catalog);
  auto index = std::make_shared<InspectCommand>();
  Command(line, group, "index", "The dedupe index: manifests, runs, how much is out of date", "",
          {"ramet inspect index", "ramet inspect index --entries"})
      .flag("--entries", index->entries, "List each entry")
      .flag("--raw", index->raw, kRaw)
      .run(index, run_index);
  auto block = std::make_shared<InspectCommand>();
  Command(line, group, "block", "Where a block is stored", "HASH|SEGMENT:SLOT",
          {"ramet inspect block 3f9a17", "ramet inspect block 3f9a17 --decoded > content"})
      .argument("block", block->what, "The beginning of its BLAKE3 name (4 digits or more)")
      .flag("--raw", block->raw, kRaw)
      .flag("--decoded", block->decoded, "Write its bytes as before they were compressed")
      .run(block, run_block);
  auto why = std::make_shared<InspectCommand>();
  Command(line, group, "why", "What keeps a block or node: containers, snapshots, objects",
          "SEGMENT:SLOT|HASH", {"ramet inspect why 17:3", "ramet inspect why 3f9a17"})
      .argument("block", why->what, "A slot, or the beginning of a block's BLAKE3 name")
      .run(why, run_why);
}

}  // namespace ramet::tools
