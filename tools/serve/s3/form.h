// Uploads from HTML forms: multipart/form-data (RFC 7578) as it comes in, and the policy that its
// sender had signed (AWS, "Browser-Based Uploads Using POST").
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tools/serve/http.h"
#include "tools/serve/s3/errors.h"

namespace ramet::serve::s3 {

// The boundary of a Content-Type; empty: there is none.
std::string form_boundary(std::string_view content_type);

// Reads the fields of a form, and then its file as a body of its own.
class FormReader : public Body {
 public:
  FormReader(Body& body, const std::string& boundary);
  // All fields up to the file: MalformedPOSTRequest, MaxPostPreDataLengthExceeded (20 KB, without
  // the fields' frames), InvalidArgument where there is no file.
  Task<Outcome<void>> read_fields();
  // By their names in lower case.
  const std::map<std::string, std::string>& fields() const { return fields_; }
  std::string field(std::string_view name) const;
  const std::string& file_name() const { return file_name_; }
  // The file's bytes; what follows in the form is ignored, as S3 does.
  Task<Result<size_t>> read(std::span<char> into) override;

 private:
  Task<Outcome<void>> fill();  // more bytes to the buffer; MalformedPOSTRequest at the end
  Body& body_;
  std::string delimiter_;  // "\r\n--BOUNDARY"
  std::string buffer_;
  std::map<std::string, std::string> fields_;
  std::string file_name_;
  bool file_ended_ = false;
};

// Whether the fields keep to the conditions of a policy (its JSON), and it has not expired. The
// bucket counts as a field. Sets the range that the content's length must be in.
struct LengthRange {
  uint64_t least = 0;
  uint64_t most = ~uint64_t{0};
};
Outcome<LengthRange> check_post_policy(std::string_view json,
                                       const std::map<std::string, std::string>& fields,
                                       int64_t now);

}  // namespace ramet::serve::s3
