#pragma once
// What a verb that could not do its work says: one line for stderr and the exit code.
// `message` is "what: where: what to do", without the leading "postern: " and never with a secret in it.
#include <boost/json/object.hpp>
#include <expected>
#include <string>
#include <utility>

#include "proxy/cli/cli.hpp"

namespace postern::cli {

struct Failure {
  Exit exit = Exit::failed;
  std::string message;
  boost::json::object problem = {};  // the API's refusal, for verbs that tell more of it; empty: none of the API's
};

template <class T>
using Result = std::expected<T, Failure>;

inline std::unexpected<Failure> fail(Exit exit, std::string message) {
  return std::unexpected(Failure{exit, std::move(message)});
}

}  // namespace postern::cli
