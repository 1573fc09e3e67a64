#pragma once
// One answer, whatever its format, as something that can be asked for the value at a path (config/oauth.hpp). Internal.
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "config/oauth.hpp"
#include "proxy/grants/token_answer.hpp"

namespace postern::grants {

class AnswerTree {
 public:
  // A body that is not of the format asked for leaves the tree unreadable; head values can still be asked for.
  AnswerTree(const TokenReply& reply, config::Format format);
  bool readable() const { return readable_; }
  bool has(std::string_view path) const;
  // A string, number or boolean as text, in memory that is wiped; nullopt: nothing there, null, a list or an object.
  std::optional<vault::Secret> text(std::string_view path) const;
  std::string_view header(std::string_view name) const;  // "" without one

 private:
  const boost::json::value* find(std::string_view path) const;
  std::string_view cookie(std::string_view name) const;
  void read_form(std::string_view body);

  const TokenReply& reply_;
  boost::json::value root_;
  bool readable_ = false;
};

}  // namespace postern::grants
