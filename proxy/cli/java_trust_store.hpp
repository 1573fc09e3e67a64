#pragma once
// The CA bundle for Java, which reads no PEM. Pure.
//
// The format is JKS: every Java since 1.2 reads it whatever store type it expects, and it needs no library to write
// (OpenSSL writes no PKCS #12 that Java would take for a trust store before 3.2).
#include <string>

namespace postern::cli {

// Each certificate of `pem` in order, sealed with Java's usual password "changeit", which nobody has to know to read
// it. What cannot be parsed is left out. The same bytes for the same certificates.
std::string java_trust_store(const std::string& pem);

}  // namespace postern::cli
