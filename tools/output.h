// What commands print: a buffered stdout whose errors are kept, tables, JSON, and names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/transaction.h"
#include "format/result.h"

namespace ramet::tools {

using Json = nlohmann::ordered_json;  // members stay in the order in which they were added

// A buffered file descriptor. Not thread-safe. After an error nothing more is written; whoever
// produces much asks failed() and stops.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  ~Output() { ignore_error(flush(), "main flushes and reports; this is for tests"); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view bytes);
  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  // Writes out what is buffered. The first error since the beginning: kCancelled if the reader of
  // a pipe has gone, or does not read and the command was interrupted; else kIoError or
  // kOutOfSpace.
  Status flush();
  bool failed() const { return !error_.ok(); }
  bool reader_is_gone() const { return reader_is_gone_; }
  bool is_terminal() const;

 private:
  int fd_;
  std::string buffer_;
  Status error_;
  bool reader_is_gone_ = false;
};

// How names and lines are printed: set once from the options.
struct TextStyle {
  bool quote = false;  // names as quote_name() gives them, else their raw bytes
  bool null = false;   // each line ends with NUL instead of a newline

  std::string name(std::string_view raw) const;
  char end() const { return null ? '\0' : '\n'; }
};

// Rows in columns. Widths come from the rows seen so far, so that memory stays bounded: rows are
// written out in batches.
class Table {
 public:
  // A letter for each column: 'l' or 'r' (aligned left or right). The last left column is not
  // padded.
  Table(Output& out, std::string alignment, char line_end = '\n');
  ~Table() { flush(); }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  // Requires: as many cells as columns.
  void row(std::vector<std::string> cells);
  void flush();

 private:
  Output& out_;
  const std::string alignment_;
  const char line_end_;
  std::vector<size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

// The columns that text takes on a terminal, one for each code point.
size_t columns_of(std::string_view text);

// A JSON document on lines of its own: objects indented.
void print_json(Output& out, const Json& json);
// One line, without line breaks: valid UTF-8 whatever is in it.
std::string compact_json(const Json& json);

// A JSON array that is written while it is made, one element a line. Ends in the destructor, so
// that the document is complete even when its command fails on the way.
class JsonArray {
 public:
  explicit JsonArray(Output& out) : out_(out) { out_.write("["); }
  ~JsonArray() { out_.write(empty_ ? "]\n" : "\n]\n"); }
  JsonArray(const JsonArray&) = delete;
  JsonArray& operator=(const JsonArray&) = delete;
  void add(const Json& element);

 private:
  Output& out_;
  bool empty_ = true;
};

// Sets json[key] to a name or path. If it is not UTF-8, json[key] has U+FFFD for what is wrong and
// json[key + "_bytes"] has the exact bytes in base64.
void set_name(Json& json, const std::string& key, std::string_view raw);

// What new content takes: "12 MiB", or "12 MiB stored as 5 MiB" if it was compressed.
std::string stored_text(const IngestStats& stats);

}  // namespace ramet::tools
