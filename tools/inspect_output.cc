#include "tools/inspect_output.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "tools/signals.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

constexpr std::array<std::string_view, kSummaryColumns> kColumnNames = {
    "objects", "content_bytes", "entries", "entry_bytes", "folders", "open",
    "hidden", "not_clonable", "archival", "sponsored", "legal_holds", "retain_until"};

std::string in_hex(uint64_t value) { return fmt::format("{:016x}", value); }

// "content bytes" of "content_bytes".
std::string in_words(std::string_view name) {
  std::string words(name);
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

// --- JSON ----------------------------------------------------------------------------------------

struct AsJson {
  Json& json;
  const std::string key;

  void operator()(std::monostate) const { json[key] = nullptr; }
  void operator()(bool value) const { json[key] = value; }
  void operator()(uint64_t value) const { json[key] = value; }
  void operator()(const std::string& value) const { json[key] = to_utf8(value); }
  void operator()(InspectSize value) const { json[key] = value.bytes; }
  void operator()(InspectTime value) const { json[key] = iso_time(value.nanoseconds); }
  // As text: programs that read JSON numbers as doubles would round it.
  void operator()(InspectCheck value) const { json[key] = in_hex(value.value); }
  void operator()(const InspectName& value) const { set_name(json, key, value.bytes); }
  void operator()(const BlockRef& value) const { json[key] = of(value); }
  void operator()(const std::vector<BlockRef>& value) const {
    json[key] = Json::array();
    for (const BlockRef& ref : value) json[key].push_back(of(ref));
  }
  void operator()(const std::vector<uint64_t>& value) const { json[key] = value; }
  void operator()(const Summary& value) const {
    for (size_t i = 0; i < kSummaryColumns; ++i) {
      json[key][std::string(kColumnNames[i])] = value.columns[i];
    }
  }
  static Json of(const BlockRef& ref) {
    Json out;
    out["segment"] = ref.segment;
    out["slot"] = ref.slot;
    out["checksum"] = in_hex(ref.checksum);
    return out;
  }
};

class JsonInspectOutput : public InspectOutput {
 public:
  explicit JsonInspectOutput(Output& out) : out_(out) {
    out_.write("{");
    levels_.push_back({false, false, true});
  }
  ~JsonInspectOutput() override {
    while (levels_.size() > 1) end();
    out_.write(levels_.back().is_empty ? "}\n" : "\n}\n");
  }
  JsonInspectOutput(const JsonInspectOutput&) = delete;
  JsonInspectOutput& operator=(const JsonInspectOutput&) = delete;

  void value(std::string_view name, const InspectValue& value) override {
    Json json;
    std::visit(AsJson{json, std::string(name)}, value);
    for (const auto& [key, one] : json.items()) {
      separate();
      out_.write(compact_json(key) + ": " + compact_json(one));
    }
  }
  void begin(std::string_view name, InspectPart part) override {
    separate();
    if (!name.empty()) out_.write(compact_json(Json(std::string(name))) + ": ");
    const bool is_list = part != InspectPart::kObject;
    out_.write(is_list ? "[" : "{");
    // A row of a table is one line.
    const bool in_row = levels_.back().is_table || levels_.back().in_row;
    levels_.push_back({part == InspectPart::kTable, in_row, true, is_list});
  }
  void end() override {
    const Level level = levels_.back();
    levels_.pop_back();
    if (!level.is_empty && !level.in_row) new_line();
    out_.write(level.is_list ? "]" : "}");
  }
  bool is_stopped() const override { return interrupted() || out_.failed(); }

 private:
  struct Level {
    bool is_table = false;
    bool in_row = false;
    bool is_empty = true;
    bool is_list = false;
  };
  void new_line() { out_.write("\n" + std::string(2 * (levels_.size() - 1) + 2, ' ')); }
  void separate() {
    Level& level = levels_.back();
    if (!level.is_empty) out_.write(level.in_row ? ", " : ",");
    level.is_empty = false;
    if (!level.in_row) {
      out_.write("\n" + std::string(2 * levels_.size(), ' '));
    }
  }

  Output& out_;
  std::vector<Level> levels_;
};

// --- text ----------------------------------------------------------------------------------------

struct AsText {
  bool in_table = false;

  std::string operator()(std::monostate) const { return "-"; }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(uint64_t value) const { return std::to_string(value); }
  std::string operator()(const std::string& value) const { return escape_message(value); }
  std::string operator()(InspectSize value) const {
    const std::string exact = std::to_string(value.bytes);
    if (in_table || value.bytes < 1024) return exact;
    return fmt::format("{} ({})", exact, human_bytes(value.bytes));
  }
  std::string operator()(InspectTime value) const {
    return in_table ? iso_time(value.nanoseconds) : full_time(value.nanoseconds);
  }
  std::string operator()(InspectCheck value) const { return in_hex(value.value); }
  std::string operator()(const InspectName& value) const { return quote_name(value.bytes); }
  std::string operator()(const BlockRef& value) const {
    if (in_table) return to_string(value);
    return fmt::format("{} (checksum {})", to_string(value), in_hex(value.checksum));
  }
  std::string operator()(const std::vector<BlockRef>& value) const {
    std::string out;
    for (const BlockRef& ref : value) out += (out.empty() ? "" : " ") + to_string(ref);
    return out.empty() ? "-" : out;
  }
  std::string operator()(const std::vector<uint64_t>& value) const {
    return value.empty() ? "-" : fmt::format("{}", fmt::join(value, " "));
  }
  std::string operator()(const Summary& value) const {
    std::string out;
    for (size_t i = 0; i < kSummaryColumns; ++i) {
      if (value.columns[i] == 0) continue;
      out += fmt::format("{}{} {}", out.empty() ? "" : ", ", in_words(kColumnNames[i]),
                         value.columns[i]);
    }
    return out.empty() ? "-" : out;
  }
};

bool is_number(const InspectValue& value) {
  return std::holds_alternative<uint64_t>(value) || std::holds_alternative<InspectSize>(value);
}

class TextInspectOutput : public InspectOutput {
 public:
  explicit TextInspectOutput(Output& out) : out_(out) { levels_.push_back({}); }
  ~TextInspectOutput() override {
    while (levels_.size() > 1) end();
    flush();
  }
  TextInspectOutput(const TextInspectOutput&) = delete;
  TextInspectOutput& operator=(const TextInspectOutput&) = delete;

  void value(std::string_view name, const InspectValue& value) override {
    if (levels_.back().is_row) {
      names_.push_back(in_words(name));
      numbers_.push_back(is_number(value));
      cells_.push_back(std::visit(AsText{true}, value));
      return;
    }
    // What is not damaged is not said on every second line.
    const bool is_quiet = name == "limited" || name.ends_with("damage");
    if (is_quiet && std::holds_alternative<std::monostate>(value)) return;
    if (!fields_) fields_.emplace(out_, "ll");
    fields_->row({indent() + in_words(name), std::visit(AsText{}, value)});
  }
  void begin(std::string_view name, InspectPart part) override {
    if (levels_.back().part == InspectPart::kTable) {
      levels_.push_back({InspectPart::kObject, true, 0});
      return;
    }
    flush();
    print_title();
    const std::string title = name.empty() ? fmt::format("[{}]", ++levels_.back().elements)
                                           : in_words(name) + ":";
    pending_title_ = indent() + title;
    if (part == InspectPart::kObject) print_title();
    levels_.push_back({part, false, 0});
  }
  void end() override {
    const Level level = levels_.back();
    if (level.is_row) {
      end_row();
      levels_.pop_back();
      return;
    }
    flush();
    if (!pending_title_.empty()) out_.write(pending_title_ + " none\n");
    pending_title_.clear();
    levels_.pop_back();
  }
  bool is_stopped() const override { return interrupted() || out_.failed(); }

 private:
  struct Level {
    InspectPart part = InspectPart::kObject;
    bool is_row = false;
    uint64_t elements = 0;
  };
  std::string indent() const { return std::string(2 * (levels_.size() - 1), ' '); }
  void print_title() {
    if (pending_title_.empty()) return;
    out_.write(pending_title_ + "\n");
    pending_title_.clear();
  }
  void flush() {
    fields_.reset();
    rows_.reset();
  }
  void end_row() {
    if (!rows_) {
      print_title();
      std::string alignment;
      for (const bool number : numbers_) alignment += number ? 'r' : 'l';
      // The indentation is a column of its own, so that numbers line up behind it.
      rows_.emplace(out_, "l" + alignment);
      row(names_);
    }
    row(cells_);
    names_.clear();
    numbers_.clear();
    cells_.clear();
  }
  void row(const std::vector<std::string>& cells) {
    std::vector<std::string> line{std::string(2 * (levels_.size() - 2) - 2, ' ')};
    line.insert(line.end(), cells.begin(), cells.end());
    rows_->row(std::move(line));
  }

  Output& out_;
  std::vector<Level> levels_;
  std::optional<Table> fields_;
  std::optional<Table> rows_;
  std::string pending_title_;  // of a list: not yet known whether it is empty
  std::vector<std::string> names_, cells_;  // of the row
  std::vector<bool> numbers_;
};

}  // namespace

std::unique_ptr<InspectOutput> make_inspect_output(Context& context) {
  if (context.json) return std::make_unique<JsonInspectOutput>(context.out);
  return std::make_unique<TextInspectOutput>(context.out);
}

}  // namespace ramet::tools
