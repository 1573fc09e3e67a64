#pragma once
// A vault's store without the vault: what somebody does who can write the disk. The vault is closed meanwhile.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>

#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {

class RawStore : public testing::Test {
 protected:
  template <class Change>
  void raw(Change&& change) {
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open({}, (world.options.state / "vault").string(), &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    change(*db);
  }
  std::string get(const std::string& key) {
    std::string value;
    raw([&](rocksdb::DB& db) { EXPECT_TRUE(db.Get({}, key, &value).ok()) << key; });
    return value;
  }
  void put(const std::string& key, const std::string& value) {
    raw([&](rocksdb::DB& db) { EXPECT_TRUE(db.Put({}, key, value).ok()); });
  }
  void remove(const std::string& key) {
    raw([&](rocksdb::DB& db) { EXPECT_TRUE(db.Delete({}, key).ok()); });
  }

  World world;
};

}  // namespace postern::vault::test
