#include "tools/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "format/check.h"
#include "format/utf8.h"
#include "tools/caller.h"
#include "tools/text.h"

namespace ramet::tools {
namespace {

constexpr size_t kBufferBytes = 64u << 10;
constexpr size_t kTableRows = 1000;

}  // namespace

void Output::write(std::string_view bytes) {
  if (failed()) return;
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) ignore_error(flush(), "is kept in error_");
}

Status Output::flush() {
  const int failed = error_.ok() ? write_stream(fd_, buffer_.data(), buffer_.size()) : 0;
  buffer_.clear();
  if (failed == ECANCELED) {
    error_ = Error(ErrorCode::kCancelled, "interrupted");
  } else if (failed != 0) {
    reader_is_gone_ = failed == EPIPE;
    const ErrorCode code = failed == EPIPE                       ? ErrorCode::kCancelled
                           : failed == ENOSPC || failed == EDQUOT ? ErrorCode::kOutOfSpace
                                                                 : ErrorCode::kIoError;
    error_ = Error(code, fmt::format("writing the output: {}", std::strerror(failed)));
  }
  return error_;
}

bool Output::is_terminal() const { return ::isatty(fd_) != 0; }

std::string TextStyle::name(std::string_view raw) const {
  return quote && !null ? quote_name(raw) : std::string(raw);
}

Table::Table(Output& out, std::string alignment, char line_end)
    : out_(out),
      alignment_(std::move(alignment)),
      line_end_(line_end),
      widths_(alignment_.size(), 0) {}

void Table::row(std::vector<std::string> cells) {
  RAMET_CHECK(cells.size() == alignment_.size(), "a table row has as many cells as columns");
  for (size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], columns_of(cells[i]));
  }
  rows_.push_back(std::move(cells));
  if (rows_.size() >= kTableRows) flush();
}

void Table::flush() {
  for (const auto& cells : rows_) {
    std::string line;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths_[i] - columns_of(cells[i]), ' ');
      if (i > 0) line += "  ";
      if (alignment_[i] == 'r') line += padding;
      line += cells[i];
      if (alignment_[i] == 'l' && i + 1 < cells.size()) line += padding;
    }
    if (cells.back().empty()) line.erase(line.find_last_not_of(' ') + 1);
    out_.write(line);
    out_.write({&line_end_, 1});
  }
  rows_.clear();
}

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void print_json(Output& out, const Json& json) {
  out.write(json.dump(2, ' ', false, Json::error_handler_t::replace));
  out.write("\n");
}

std::string compact_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void JsonArray::add(const Json& element) {
  out_.write(empty_ ? "\n" : ",\n");
  out_.write(compact_json(element));
  empty_ = false;
}

void set_name(Json& json, const std::string& key, std::string_view raw) {
  json[key] = to_utf8(raw);
  if (!is_utf8(raw)) json[key + "_bytes"] = base64(raw);
}

std::string stored_text(const IngestStats& stats) {
  const std::string raw = human_bytes(stats.new_block_bytes);
  if (stats.new_stored_bytes >= stats.new_block_bytes) return raw;
  return raw + " stored as " + human_bytes(stats.new_stored_bytes);
}

}  // namespace ramet::tools
