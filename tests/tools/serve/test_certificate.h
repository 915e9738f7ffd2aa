// Certificates that tests make for themselves.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace ramet::serve::test {

// Writes a self-signed certificate of this name (and of "localhost" and 127.0.0.1) with its key.
inline void write_certificate(const std::string& certificate_path, const std::string& key_path,
                              const std::string& name, long serial) {
  EVP_PKEY* const key = ::EVP_EC_gen("P-256");
  ASSERT_NE(key, nullptr);
  X509* const certificate = ::X509_new();
  ::X509_set_version(certificate, 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -3600);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 24 * 3600);
  ::X509_set_pubkey(certificate, key);
  X509_NAME* const subject = ::X509_get_subject_name(certificate);
  ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  ::X509_set_issuer_name(certificate, subject);
  ::X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const names = ::X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name,
                                                      "DNS:localhost,IP:127.0.0.1");
  ::X509_add_ext(certificate, names, -1);
  ::X509_EXTENSION_free(names);
  EXPECT_GT(::X509_sign(certificate, key, ::EVP_sha256()), 0);
  std::FILE* file = std::fopen(certificate_path.c_str(), "w");
  ::PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_path.c_str(), "w");
  ::PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
}

}  // namespace ramet::serve::test
