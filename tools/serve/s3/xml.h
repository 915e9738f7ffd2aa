// XML of S3's requests (read by pugixml) and answers (written in order, without a tree).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/s3/errors.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace ramet::serve::s3 {

inline constexpr std::string_view kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// Writes elements in the order in which they are told. What cannot stand in XML is escaped.
class XmlWriter {
 public:
  XmlWriter();
  // With S3's namespace where it is the root of an answer.
  void root(std::string_view name);
  void open(std::string_view name, std::string_view attributes = {});  // attributes as they are
  void close(std::string_view name);
  void text(std::string_view name, std::string_view value);
  void number(std::string_view name, uint64_t value);
  void flag(std::string_view name, bool value);
  void raw(std::string_view markup) { out_.append(markup); }
  size_t size() const { return out_.size(); }
  std::string finish() && { return std::move(out_); }

 private:
  std::string out_;
};

std::string xml_escape(std::string_view text);

// A parsed document. Names are compared without their prefix, so that any namespace will do.
class XmlNode;
class XmlDocument {
 public:
  // kMalformedXML: not well-formed, another root than `root`, a document type, or deeper than 32.
  static Outcome<XmlDocument> parse(std::string_view text, std::string_view root);
  ~XmlDocument();
  XmlDocument(XmlDocument&&) noexcept;
  XmlDocument& operator=(XmlDocument&&) noexcept;
  XmlNode root() const;

 private:
  XmlDocument();
  std::unique_ptr<pugi::xml_document> document_;
};

// One element; valid as long as its document. All are false and empty for a missing one.
class XmlNode {
 public:
  XmlNode() = default;
  explicit XmlNode(void* node) : node_(node) {}
  explicit operator bool() const { return node_ != nullptr; }
  std::string_view name() const;
  XmlNode child(std::string_view name) const;  // the first one
  std::vector<XmlNode> children() const;       // elements
  std::vector<XmlNode> children(std::string_view name) const;
  std::string text() const;  // white space around it removed
  // The text as it stands, nothing removed (keys may begin with spaces).
  std::string exact() const;
  std::string attribute(std::string_view name) const;  // by its name without a prefix
  // The text of a child; nullopt: there is none.
  std::optional<std::string> child_text(std::string_view name) const;

 private:
  void* node_ = nullptr;  // pugi::xml_node_struct
};

}  // namespace ramet::serve::s3
