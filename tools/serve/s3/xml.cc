#include "tools/serve/s3/xml.h"

#include <charconv>

#include <fmt/format.h>
#include <pugixml.hpp>

namespace ramet::serve::s3 {
namespace {

constexpr int kDepthMax = 32;

std::string_view local_name(std::string_view name) {
  const size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

void escape_into(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += c; break;
      case '\t': out += c; break;
      default:
        // XML 1.0 has no way to say most of these; S3 writes them so, and clients that must be
        // sure ask for encoding-type=url.
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("&#x{:X};", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
          out += c;
        }
    }
  }
}

bool too_deep(const pugi::xml_node& node, int depth) {
  if (depth > kDepthMax) return true;
  for (const pugi::xml_node& child : node.children()) {
    if (child.type() == pugi::node_element && too_deep(child, depth + 1)) return true;
  }
  return false;
}

pugi::xml_node node_of(void* node) {
  return pugi::xml_node(static_cast<pugi::xml_node_struct*>(node));
}

}  // namespace

std::string xml_escape(std::string_view text) {
  std::string out;
  escape_into(out, text);
  return out;
}

XmlWriter::XmlWriter() : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}

void XmlWriter::root(std::string_view name) {
  open(name, fmt::format(" xmlns=\"{}\"", kNamespace));
}

void XmlWriter::open(std::string_view name, std::string_view attributes) {
  out_ += '<';
  out_ += name;
  out_ += attributes;
  out_ += '>';
}

void XmlWriter::close(std::string_view name) {
  out_ += "</";
  out_ += name;
  out_ += '>';
}

void XmlWriter::text(std::string_view name, std::string_view value) {
  open(name);
  escape_into(out_, value);
  close(name);
}

void XmlWriter::number(std::string_view name, uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  open(name);
  out_.append(digits, end);
  close(name);
}

void XmlWriter::flag(std::string_view name, bool value) { text(name, value ? "true" : "false"); }

XmlDocument::XmlDocument() : document_(std::make_unique<pugi::xml_document>()) {}
XmlDocument::~XmlDocument() = default;
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;

Outcome<XmlDocument> XmlDocument::parse(std::string_view text, std::string_view root) {
  XmlDocument document;
  // White space counts in keys; a document type is kept so that it can be seen and refused (pugixml
  // itself never expands what one defines).
  const auto parsed = document.document_->load_buffer(
      text.data(), text.size(),
      pugi::parse_default | pugi::parse_doctype | pugi::parse_ws_pcdata,
      pugi::encoding_auto);
  if (!parsed) return Code::kMalformedXML;
  for (const pugi::xml_node& node : document.document_->children()) {
    if (node.type() == pugi::node_doctype) {
      return Fault(Code::kMalformedXML, "A document type is not allowed here.");
    }
  }
  const pugi::xml_node element = document.document_->document_element();
  if (!element || local_name(element.name()) != root) {
    return Fault(Code::kMalformedXML,
                 fmt::format("{} The root element must be <{}>.",
                             info_of(Code::kMalformedXML).text, root));
  }
  if (too_deep(element, 0)) return Code::kMalformedXML;
  return document;
}

XmlNode XmlDocument::root() const {
  return XmlNode(document_->document_element().internal_object());
}

std::string_view XmlNode::name() const { return local_name(node_of(node_).name()); }

XmlNode XmlNode::child(std::string_view name) const {
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_element && local_name(node.name()) == name) {
      return XmlNode(node.internal_object());
    }
  }
  return {};
}

std::vector<XmlNode> XmlNode::children() const {
  std::vector<XmlNode> found;
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_element) found.emplace_back(node.internal_object());
  }
  return found;
}

std::vector<XmlNode> XmlNode::children(std::string_view name) const {
  std::vector<XmlNode> found;
  for (const XmlNode& node : children()) {
    if (node.name() == name) found.push_back(node);
  }
  return found;
}

std::string XmlNode::exact() const {
  std::string text;  // it may stand in several pieces (CDATA)
  for (const pugi::xml_node& node : node_of(node_).children()) {
    if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) text += node.value();
  }
  return text;
}

std::string XmlNode::text() const {
  const std::string text = exact();
  const size_t from = text.find_first_not_of(" \t\r\n");
  if (from == std::string::npos) return "";
  return text.substr(from, text.find_last_not_of(" \t\r\n") - from + 1);
}

std::string XmlNode::attribute(std::string_view name) const {
  for (const pugi::xml_attribute& attribute : node_of(node_).attributes()) {
    if (local_name(attribute.name()) == name) return attribute.value();
  }
  return "";
}

std::optional<std::string> XmlNode::child_text(std::string_view name) const {
  const XmlNode node = child(name);
  if (!node) return std::nullopt;
  return node.text();
}

}  // namespace ramet::serve::s3
