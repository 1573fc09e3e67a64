// openapi.yaml says what exists, and nothing else.
#include <gmock/gmock.h>

#include <set>
#include <sstream>

#include "client.hpp"
#include "proxy/admin/openapi.hpp"

namespace postern::admin {
namespace {

// path -> methods, from the document's own indentation.
std::map<std::string, std::set<std::string>> documented() {
  std::map<std::string, std::set<std::string>> out;
  std::istringstream text{std::string(openapi_text())};
  std::string path;
  for (std::string line; std::getline(text, line) && line != "components:";) {
    if (line.starts_with("  /")) path = line.substr(2, line.find(':') - 2);
    for (const char* method : {"get", "post", "put", "patch", "delete"}) {
      if (!path.empty() && line.starts_with("    " + std::string(method) + ':')) {
        std::string upper = method;
        for (char& c : upper) c = char(::toupper(c));
        out[path].insert(upper);
      }
    }
  }
  return out;
}

std::set<std::string> split(const std::string& list) {
  std::set<std::string> out;
  std::istringstream text(list);
  for (std::string one; std::getline(text, one, ',');) out.insert(one.substr(one.find_first_not_of(' ')));
  return out;
}

TEST_F(AdminRoom, serves_what_openapi_documents) {
  const auto paths = documented();
  EXPECT_EQ(paths.size(), 35u);
  for (auto [path, methods] : paths) {
    std::string target = path;
    if (const auto at = target.find("{id}"); at != std::string::npos) target.replace(at, 4, "unknown");
    const auto reply = call("BREW", target);
    EXPECT_EQ(reply.status, 405) << path;
    if (methods.contains("GET")) methods.insert("HEAD");
    EXPECT_EQ(split(reply.fields.at("allow")), methods) << path;
  }
}

}  // namespace
}  // namespace postern::admin
