#include "tools/serve/response_head.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ramet::serve {
namespace {

struct Phrase {
  int status;
  std::string_view phrase;
};
constexpr Phrase kPhrases[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"},
    {202, "Accepted"}, {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"},
    {207, "Multi-Status"}, {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"},
    {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"},
    {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"},
    {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
    {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"},
    {412, "Precondition Failed"}, {413, "Content Too Large"}, {414, "URI Too Long"},
    {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {417, "Expectation Failed"},
    {422, "Unprocessable Content"}, {423, "Locked"}, {425, "Too Early"}, {426, "Upgrade Required"},
    {428, "Precondition Required"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {507, "Insufficient Storage"},
    {508, "Loop Detected"}};

// RFC 9110 5.6.2.
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<size_t>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return kToken[static_cast<unsigned char>(c)];
  });
}

bool is_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
  });
}

void append_number(std::string& out, uint64_t value) {
  const fmt::format_int text(value);
  out.append(text.data(), text.size());
}

}  // namespace

std::string_view reason_phrase(int status) {
  for (const Phrase& one : kPhrases) {
    if (one.status == status) return one.phrase;
  }
  return "Unknown";
}

bool append_head(std::string& out, const Response& response, const HeadOptions& options) {
  const size_t before = out.size();
  out += "HTTP/1.1 ";
  append_number(out, static_cast<uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  out += "\r\nServer: ramet\r\nDate: ";
  out += options.date;
  out += "\r\nx-request-id: ";
  out += options.request_id;
  out += "\r\n";
  for (const Fields::Field& field : response.fields) {
    if (!is_token(field.name) || !is_value(field.value)) {
      out.resize(before);
      return false;
    }
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
  if (options.content_length) {
    out += "Content-Length: ";
    append_number(out, *options.content_length);
    out += "\r\n";
  }
  if (options.chunked) out += "Transfer-Encoding: chunked\r\n";
  if (!options.keep_alive) {
    out += "Connection: close\r\n";
  } else if (options.http10) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  return true;
}

Response problem_response(int status, std::string_view detail, std::string_view request_id) {
  nlohmann::ordered_json problem;
  problem["type"] = "about:blank";
  problem["title"] = reason_phrase(status);
  problem["status"] = status;
  if (!detail.empty()) problem["detail"] = detail;
  problem["request_id"] = request_id;
  Response response;
  response.status = status;
  response.fields.add("Content-Type", "application/problem+json");
  response.body = problem.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

}  // namespace ramet::serve
