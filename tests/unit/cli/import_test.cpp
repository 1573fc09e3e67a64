// connections import and export: what is read, what is sent, what is told, and what a second run skips.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>

#include "fake.hpp"
#include "proxy/cli/import_journal.hpp"
#include "proxy/cli/import_reader.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kMade = R"({"id":"conn_1"})";
constexpr const char* kRefused =
    R"({"title":"Invalid","detail":"no","errors":[{"pointer":"/value/apiKey","message":"has another form"}]})";

// What a reader gives: bodies as JSON, mistakes as "line:column: what".
std::vector<std::string> all_of(ImportReader& reader) {
  std::vector<std::string> out;
  while (auto next = reader.next()) {
    if (*next)
      out.push_back(std::to_string((*next)->line) + " " + boost::json::serialize((*next)->body));
    else
      out.push_back(std::to_string(next->error().line) + ":" + std::to_string(next->error().column) + ": " +
                    next->error().what);
  }
  return out;
}
std::vector<std::string> csv(const std::string& text) {
  std::istringstream in(text);
  auto reader = read_csv(in);
  if (reader) return all_of(**reader);
  return {std::to_string(reader.error().line) + ":" + std::to_string(reader.error().column) + ": " +
          reader.error().what};
}
std::vector<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  return all_of(*read_json_lines(in));
}

TEST(ImportReader, names_line_and_column_of_what_is_not_json) {
  EXPECT_THAT(lines("{\"app\":\"a\"}\n\n  {\"app\":\"\xc3\xa9\"}\r\n"),
              testing::ElementsAre("1 {\"app\":\"a\"}", "3 {\"app\":\"\xc3\xa9\"}"));
  EXPECT_THAT(lines("{\"a\":\"\xc3\xa9\",x}"), testing::ElementsAre("1:10: not JSON here; a line is one object"));
  EXPECT_THAT(lines("{\"a\":1"), testing::ElementsAre("1:7: the object does not end on its line"));
  EXPECT_THAT(lines("{} {}\n{}"), testing::ElementsAre("1:4: more than one object on the line", "2 {}"));
  EXPECT_THAT(lines(" [1]"), testing::ElementsAre("1:2: not a JSON object"));
  EXPECT_THAT(lines("{\"a\":\"" + std::string(1024 * 1024, 'x') + "\"}"),
              testing::ElementsAre(HasSubstr("1:1: more than 1 MiB")));
}

TEST(ImportReader, refuses_a_key_that_an_object_has_twice) {
  EXPECT_THAT(lines("{\"app\":\"a\",\"app\":\"b\"}\n{\"app\":\"c\"}"),
              testing::ElementsAre("1:16: the key 'app' is there twice; name it once", "2 {\"app\":\"c\"}"));
  EXPECT_THAT(lines(R"({"value":{"apiKey":"1","api\u004bey":"2"}})"),
              testing::ElementsAre(HasSubstr("the key 'apiKey' is there twice")));
  EXPECT_THAT(lines(R"({"config":[{"a":1},{"a":2}],"value":{"a":3}})"),
              testing::ElementsAre(R"(1 {"config":[{"a":1},{"a":2}],"value":{"a":3}})"));
  EXPECT_THAT(lines(R"({"sk canary":1,"sk canary":2})"), testing::ElementsAre(HasSubstr("a key is there twice")));
  EXPECT_THAT(csv("app,config.a\nx,\"{\"\"b\"\":1,\"\"b\"\":2}\"\n"),
              testing::ElementsAre("2:3: the key 'b' is there twice; name it once"));
}

TEST(ImportReader, takes_csv_with_all_its_quoting) {
  EXPECT_THAT(
      csv("app,name,value.apiKey,tags,enabled,config.region\r\n"
          "stripe,\"Billing, \"\"EU\"\"\nand more\",sk_1,a;b\\;c; d ,false,eu\r\n"
          "\r\n"
          "shop,,,,,\n"
          "http,x,,,TRUE,\"[\"\"a\"\",1]\""),
      testing::ElementsAre(
          R"(2 {"app":"stripe","name":"Billing, \"EU\"\nand more","value":{"apiKey":"sk_1"},"tags":["a","b;c","d"],"enabled":false,"config":{"region":"eu"}})",
          R"(5 {"app":"shop"})", R"(6 {"app":"http","name":"x","enabled":true,"config":{"region":["a",1]}})"));
  EXPECT_THAT(csv("\xEF\xBB\xBF"
                  "app\nstripe\n"),
              testing::ElementsAre(R"(2 {"app":"stripe"})"));
}

TEST(ImportReader, names_line_and_column_of_what_is_wrong_in_csv_and_goes_on) {
  EXPECT_THAT(csv(""), testing::ElementsAre("1:1: the file is empty; its first row names the columns"));
  EXPECT_THAT(csv("name\n"), testing::ElementsAre("1:1: the column `app` is missing: which provider it is"));
  EXPECT_THAT(csv("app,secret\n"), testing::ElementsAre(HasSubstr("1:5: no such column")));
  EXPECT_THAT(csv("app,value.\n"), testing::ElementsAre(HasSubstr("1:5: no such column")));
  EXPECT_THAT(csv("app,app\n"), testing::ElementsAre("1:5: this column is there twice"));
  const std::string head = "app,name,enabled,config.a\n";
  EXPECT_THAT(csv(head + "a,b\nx,y,,\n"),
              testing::ElementsAre("2:3: 2 cells, and the header has 4", R"(3 {"app":"x","name":"y"})"));
  EXPECT_THAT(csv(head + "a,b,,,c,d\n"), testing::ElementsAre("2:7: 6 cells, and the header has 4"));
  EXPECT_THAT(csv(head + "a,\xc3\xa9,yes,\nx,,,\n"),
              testing::ElementsAre("2:5: has to be true or false", R"(3 {"app":"x"})"));
  EXPECT_THAT(csv(head + "a,b,,{x\n"), testing::ElementsAre("2:6: begins like JSON and is none"));
  EXPECT_THAT(csv(head + "a,b\"c,,\nx,,,\n"),
              testing::ElementsAre(HasSubstr("2:4: a quote inside a cell"), R"(3 {"app":"x"})"));
  EXPECT_THAT(csv(head + "a,\"b\"c,,\nx,,,\n"),
              testing::ElementsAre(HasSubstr("2:6: text behind a closing quote"), R"(3 {"app":"x"})"));
  EXPECT_THAT(csv(head + "a,\"b,,\nx,,,\n"), testing::ElementsAre("2:3: this quote is never closed"));
}

struct ImportWorld : World {
  std::filesystem::path folder;
  ImportWorld() {
    std::string pattern = (std::filesystem::path(testing::TempDir()) / "postern-import-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~ImportWorld() { std::filesystem::remove_all(folder); }
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name, std::ios::binary) << text;
    return (folder / name).string();
  }
  int import(const std::string& from, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"connections", "import", from, "--parallel", "1"});
    return run(more);
  }
  std::string key(std::size_t i) const {
    for (const auto& [name, value] : server.requests.at(i).fields)
      if (name == "Idempotency-Key") return value;
    return "";
  }
};

TEST(Import, sends_every_line_over_one_connection_and_tells_of_those_that_fail) {
  ImportWorld world;
  world.in.str(
      "{\"app\":\"a\"}\n\n{\"app\":\"b\",\"value\":{\"apiKey\":\"sk_canary\"}}\n{\"value\":{\"apiKey\":\"sk_canary\"}"
      "\n");
  world.server.answer(201, kMade);
  world.server.answer(400, kRefused);
  EXPECT_EQ(world.import("-"), 1);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/connections");
  EXPECT_EQ(world.server.requests.size(), 2u);
  EXPECT_EQ(world.server.dialled.size(), 1u);
  EXPECT_EQ(world.out.str(), "imported 1, failed 2\n");
  EXPECT_EQ(world.err.str(),
            "postern: -:3:1: Invalid: /value/apiKey: has another form; no\n"
            "postern: -:4:32: the object does not end on its line\n");
  EXPECT_THAT(world.err.str(), Not(HasSubstr("canary")));
}

TEST(Import, names_the_cell_that_the_daemon_refuses) {
  ImportWorld world;
  const auto file = world.file("x.csv", "app,value.apiKey\nstripe,sk_canary\n");
  world.server.answer(400, kRefused);
  EXPECT_EQ(world.import(file), 1);
  EXPECT_EQ(world.server.body(0), boost::json::parse(R"({"app":"stripe","value":{"apiKey":"sk_canary"}})"));
  EXPECT_THAT(world.err.str(), HasSubstr(file + ":2:8: Invalid"));
  EXPECT_THAT(world.err.str(), Not(HasSubstr("canary")));
}

TEST(Import, stops_at_the_first_failure_when_asked_to_and_without_a_daemon) {
  ImportWorld world;
  world.in.str("{\"app\":\"a\"}\n{\"app\":\"b\"}\n");
  world.server.answer(400, kRefused);
  EXPECT_EQ(world.import("-", {"--stop"}), 1);
  EXPECT_EQ(world.server.requests.size(), 1u);
  EXPECT_THAT(world.err.str(), HasSubstr("-:1:1: Invalid"));
  ImportWorld gone;
  gone.in.str("{}\n{}\n");
  EXPECT_EQ(gone.import("-"), 5);
  EXPECT_EQ(gone.server.requests.size(), 1u);
}

TEST(Import, goes_on_where_an_earlier_run_ended) {
  const std::string one = "{\"app\":\"a\"}\n", two = "{\"app\":\"b\",\"value\":{\"apiKey\":\"sk_canary\"}}\n";
  ImportWorld world;
  const auto file = world.file("x.jsonl", one + two + one);
  world.server.answer(201, R"({"id":"conn_1"})");
  EXPECT_EQ(world.import(file), 5);  // the daemon goes away behind the first one
  const auto key = world.key(0);
  EXPECT_THAT(key, testing::MatchesRegex("import-[0-9a-f]{32}"));

  ImportWorld again;
  again.server.answer(201, R"({"id":"conn_2"})");
  again.server.answer(201, R"({"id":"conn_3"})");
  EXPECT_EQ(again.import(file), 0);
  EXPECT_EQ(again.out.str(), "imported 2, skipped 1 that were there, failed 0\n");
  EXPECT_EQ(again.key(0), world.key(1));  // what may have been made all the same is asked for under the same key
  EXPECT_NE(again.key(1), key);           // the same connection a second time is another one
  EXPECT_EQ(again.import(file), 0);
  EXPECT_EQ(again.server.requests.size(), 2u);

  std::ifstream journal(file + ".imported");
  const std::string text{std::istreambuf_iterator<char>(journal), {}};
  EXPECT_THAT(text, HasSubstr(" conn_3\n"));
  EXPECT_THAT(text, Not(HasSubstr("canary")));
  EXPECT_EQ(std::filesystem::status(file + ".imported").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  again.server.answer(201, R"({"id":"conn_4"})");
  again.server.answer(201, R"({"id":"conn_5"})");
  again.server.answer(201, R"({"id":"conn_6"})");
  EXPECT_EQ(again.import(file, {"--again"}), 0);
  EXPECT_EQ(again.key(2), "");
}

TEST(ImportJournal, takes_off_a_line_that_a_kill_has_torn_and_is_one_imports_alone) {
  ImportWorld world;
  const auto body = boost::json::parse(R"({"app":"a","config":{"x":1,"y":2},"value":{"k":"v"}})").as_object();
  const auto file = world.folder / "journal";
  std::string key;
  {
    auto journal = ImportJournal::open(file);
    ASSERT_TRUE(journal);
    EXPECT_FALSE(ImportJournal::open(file)) << "another one runs";
    key = journal->key_of(body);
    ASSERT_TRUE(journal->add(key, "conn_1"));
  }
  std::ofstream(file, std::ios::app) << key.substr(0, 12);
  auto journal = ImportJournal::open(file);
  ASSERT_TRUE(journal);
  EXPECT_TRUE(journal->has(key));
  // Neither the order of the members nor the secret makes it another.
  const auto same = boost::json::parse(R"({"value":{"k":"w"},"config":{"y":2,"x":1},"app":"a"})").as_object();
  EXPECT_EQ(journal->key_of(same), key);
  EXPECT_NE(journal->key_of(same), key) << "the second time";
  ASSERT_TRUE(journal->add("0123456789abcdef0123456789abcdef", "conn_2"));
  std::ifstream in(file);
  std::string line;
  for (const char* id : {"conn_1", "conn_2"}) {
    ASSERT_TRUE(std::getline(in, line));
    EXPECT_TRUE(line.ends_with(id)) << line;
  }
}

TEST(Import, dry_runs_write_nothing_and_know_of_lines_that_name_one_alias) {
  ImportWorld world;
  const auto file = world.file("x.jsonl", "{\"app\":\"a\",\"alias\":\"x\"}\n{\"app\":\"b\",\"alias\":\"x\"}\n");
  world.server.answer(200, R"({"valid":true})");
  EXPECT_EQ(world.import(file, {"--dry-run"}), 1);
  EXPECT_EQ(world.server.line(0), "POST /api/v1/connections?dryRun=true");
  EXPECT_EQ(world.key(0), "");
  EXPECT_EQ(world.out.str(), "valid 1, failed 1; nothing was written\n");
  EXPECT_THAT(world.err.str(), HasSubstr("x.jsonl:2:1: /alias: line 1 has the same"));
  EXPECT_FALSE(std::filesystem::exists(file + ".imported"));
}

TEST(Import, tells_programs_the_sum_as_one_object) {
  ImportWorld world;
  const auto file = world.file("x.jsonl", "{\"app\":\"a\"}\n{\"app\":\"b\"}\n{\n");
  world.server.answer(201, kMade);
  world.server.answer(400, kRefused);
  EXPECT_EQ(world.import(file, {"-o", "json"}), 1);
  EXPECT_EQ(boost::json::parse(world.out.str()),
            boost::json::parse(R"({"imported":1,"skipped":0,"dryRun":false,"failed":[
                {"line":2,"column":1,"message":"Invalid: /value/apiKey: has another form; no"},
                {"line":3,"column":2,"message":"the object does not end on its line"}]})"));
  EXPECT_THAT(world.err.str(), HasSubstr(file + ":2:1: Invalid"));
  ImportWorld again;
  again.server.answer(201, kMade);
  EXPECT_EQ(again.import(world.file("y.jsonl", "{\"app\":\"a\"}\n"), {"-o", "json", "--dry-run"}), 0);
  EXPECT_EQ(boost::json::parse(again.out.str()),
            boost::json::parse(R"({"imported":1,"skipped":0,"failed":[],"dryRun":true})"));
  ImportWorld skipping;
  skipping.server.answer(400, kRefused);
  EXPECT_EQ(skipping.import(file, {"-o", "yaml", "--stop"}), 1);
  EXPECT_THAT(skipping.out.str(), testing::StartsWith("imported: 0\nskipped: 1\nfailed:\n  - line: 2\n"));
}

TEST(Import, draws_a_bar_on_a_terminal_and_tells_ids_in_quiet) {
  ImportWorld world;
  world.around.err_is_terminal = true;
  std::string text;
  for (int i = 0; i < 10; ++i) {
    text += "{\"app\":\"a\"}\n";
    world.server.answer(201, kMade);
  }
  EXPECT_EQ(world.import(world.file("x.jsonl", text)), 0);
  EXPECT_THAT(world.err.str(), HasSubstr("\r[##############################] 100% 10 done, 0 failed"));
  EXPECT_TRUE(world.err.str().ends_with("\r\x1b[K"));
  ImportWorld quiet;
  quiet.around.err_is_terminal = true;
  quiet.in.str("{\"app\":\"a\"}\n");
  quiet.server.answer(201, kMade);
  EXPECT_EQ(quiet.import("-", {"-q"}), 0);
  EXPECT_EQ(quiet.out.str(), "conn_1\n");
  EXPECT_EQ(quiet.err.str(), "");
}

TEST(Import, a_file_that_cannot_be_read_is_named) {
  ImportWorld world;
  EXPECT_EQ(world.import("/nowhere/x.csv"), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("/nowhere/x.csv: cannot be read"));
  EXPECT_EQ(world.import(world.file("x.csv", "nothing\n")), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("x.csv:1:1: no such column"));
}

constexpr const char* kListed = R"({"data":[
  {"id":"conn_1","app":"stripe","type":"API_KEY","auth":"api_key","name":"Billing, \"EU\"","alias":"billing",
   "scope":"PROJECT","owner":"service","endUser":null,"project":"proj_default","authConfig":null,"tags":["a;b","c"],
   "config":{"region":"eu","list":["x"]},"enabled":false,"hosts":[],"declared":false,"version":7},
  {"id":"conn_2","app":"gone","type":"BEARER","auth":"token","name":"=1","alias":"gone","scope":"PROJECT",
   "owner":"service","endUser":"e","project":"proj_default","authConfig":null,"tags":[],"config":{},"enabled":true,
   "declared":false},
  {"id":"decl","app":"stripe","declared":true}],"cursor":null,"hasMore":false})";

TEST(Export, writes_what_import_takes_with_empty_places_for_secrets) {
  World world;
  world.server.answer(200, kListed);
  EXPECT_EQ(world.run({"connections", "export", "--app", "stripe"}), 0) << world.err.str();
  EXPECT_EQ(world.server.line(0), "GET /api/v1/connections?limit=100&provider=stripe");
  std::istringstream out(world.out.str());
  std::string line;
  ASSERT_TRUE(std::getline(out, line));
  EXPECT_EQ(boost::json::parse(line), boost::json::parse(R"({"app":"stripe","type":"API_KEY","auth":"api_key",
    "name":"Billing, \"EU\"","alias":"billing","scope":"PROJECT","owner":"service","project":"proj_default",
    "tags":["a;b","c"],"config":{"region":"eu","list":["x"]},"enabled":false,"value":{"apiKey":""}})"));
  ASSERT_TRUE(std::getline(out, line));
  EXPECT_THAT(line, HasSubstr(R"("endUser":"e")"));
  EXPECT_FALSE(std::getline(out, line)) << "what a file declares stays there";
}

TEST(Csv, a_defused_cell_is_run_by_no_spreadsheet_and_reads_as_before) {
  for (const std::string text :
       {"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''=1", "'", "''", "'a", "a=1", "plain", "", "''-"}) {
    const std::string cell = defused(text);
    EXPECT_EQ(plain(cell), std::string_view(text));
    EXPECT_TRUE(cell.empty() || std::string("=+-@\t\r").find(cell.front()) == std::string::npos) << cell;
  }
  EXPECT_EQ(defused("=1"), "'=1");
  EXPECT_EQ(defused("'quoted'"), "'quoted'");
  EXPECT_THAT(csv("app,name,value.apiKey,tags\nx,'=1,'=secret,'@a;b\n"),
              testing::ElementsAre(R"(2 {"app":"x","name":"=1","value":{"apiKey":"'=secret"},"tags":["@a","b"]})"));
}

TEST(Export, as_csv_comes_back_as_the_same_connections) {
  World world;
  world.server.answer(200, kListed);
  EXPECT_EQ(world.run({"connections", "export", "--format", "csv"}), 0) << world.err.str();
  EXPECT_THAT(world.out.str(),
              testing::StartsWith("app,type,auth,name,alias,scope,owner,endUser,project,authConfig,tags,"
                                  "enabled,config.list,config.region,value.apiKey\r\n"));
  EXPECT_THAT(world.out.str(), HasSubstr(",'=1,"));
  EXPECT_THAT(
      csv(world.out.str()),
      testing::ElementsAre(
          R"(2 {"app":"stripe","type":"API_KEY","auth":"api_key","name":"Billing, \"EU\"","alias":"billing","scope":"PROJECT","owner":"service","project":"proj_default","tags":["a;b","c"],"enabled":false,"config":{"list":["x"],"region":"eu"}})",
          R"(3 {"app":"gone","type":"BEARER","auth":"token","name":"=1","alias":"gone","scope":"PROJECT","owner":"service","endUser":"e","project":"proj_default"})"));
}

}  // namespace
}  // namespace postern::cli::test
