#pragma once
// How requests are signed: a scheme, and what it is told (config/sign.hpp says what each may be told). Plain data,
// immutable after load.
#include <map>
#include <string>

#include "config/expand.hpp"

namespace postern::config {

struct Sign {
  std::string scheme;                       // the kind of injection that does it
  std::map<std::string, Template> options;  // over the variables of config
  // Beside a grant: which value stands for each of the signer's own names ("accessKeyId"). Empty: those of the
  // credential, under their own names.
  std::map<std::string, std::string> with;
};

}  // namespace postern::config
