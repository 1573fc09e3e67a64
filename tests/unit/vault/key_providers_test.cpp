// What every key provider promises, and what each promises alone. A new provider joins by one line in `kinds()`.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/encoding.hpp"
#include "vault/key_provider.hpp"
#include "vault/program.hpp"

namespace postern::vault::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const Binding kBinding{.organization = {}, .type = "key", .id = "k", .version = 1};
constexpr std::string_view kVaultId = "0123456789ab";

// A command that "wraps" by turning every bit of the bytes and putting the context before them.
std::string kms(const std::filesystem::path& folder, const char* name, char mask = '\x55') {
  const auto file = folder / name;
  write_file(file,
             "#!/usr/bin/python3 -ISE\n"
             "import sys\n"
             "verb, vault = sys.argv[-2].encode(), sys.argv[-1].encode()\n"
             "data = sys.stdin.buffer.read()\n"
             "turned = lambda b: bytes(x ^ " +
                 std::to_string(int{mask}) +
                 " for x in b)\n"
                 "if verb == b'wrap': sys.stdout.buffer.write(vault + turned(data))\n"
                 "elif data.startswith(vault): sys.stdout.buffer.write(turned(data[len(vault):]))\n"
                 "else: sys.exit('this ciphertext is of another context')\n",
             0700);
  return file.string();
}

struct Kind {
  const char* name;
  // `which`: 1 is the right key, 2 another of the same kind.
  std::function<KeySource(const std::filesystem::path& folder, int which)> source;
};

KeySource of_file(const std::filesystem::path& folder, int which) {
  const auto file = folder / ("master-" + std::to_string(which) + ".key");
  static_cast<void>(write_key_file(file));
  return {.file = file, .passphrase_file = {}, .credential = {}, .exec = {}};
}
KeySource of_passphrase(const std::filesystem::path& folder, int which) {
  const auto file = folder / ("passphrase-" + std::to_string(which));
  write_file(file, "correct horse battery staple " + std::to_string(which) + "\n");
  return {.file = {}, .passphrase_file = file, .credential = {}, .exec = {}};
}
KeySource of_credential(const std::filesystem::path& folder, int which) {
  ::setenv("CREDENTIALS_DIRECTORY", folder.c_str(), 1);
  static_cast<void>(of_file(folder, which));
  return {.file = {}, .passphrase_file = {}, .credential = "master-" + std::to_string(which) + ".key", .exec = {}};
}
KeySource of_exec(const std::filesystem::path& folder, int which) {
  return {.file = {},
          .passphrase_file = {},
          .credential = {},
          .exec = {kms(folder, which == 1 ? "kms-1" : "kms-2", which == 1 ? '\x55' : '\x2a'), "--key", "alias/x"}};
}
std::vector<Kind> kinds() {
  return {{"file", of_file}, {"passphrase", of_passphrase}, {"credential", of_credential}, {"exec", of_exec}};
}

class KeyProviders : public testing::TestWithParam<Kind> {
 protected:
  void TearDown() override { ::unsetenv("CREDENTIALS_DIRECTORY"); }
  std::unique_ptr<KeyProvider> open(int which = 1) const {
    auto opened = open_key(GetParam().source(scratch.path(), which));
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }
  Scratch scratch;
};

INSTANTIATE_TEST_SUITE_P(Kinds, KeyProviders, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(KeyProviders, another_one_of_the_same_key_unwraps_what_one_has_wrapped) {
  const auto first = open();
  ASSERT_TRUE(first->begin(kVaultId));
  const auto wrapped = first->wrap("data key", kBinding);
  ASSERT_TRUE(wrapped);
  const auto second = open();
  const auto opened = second->unwrap(*wrapped, kBinding);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->equals("data key"));
  EXPECT_EQ(first->id(), second->id());
  EXPECT_EQ(first->id().size(), 2 * kKeyIdSize);
}

TEST_P(KeyProviders, tell_a_wrong_key_and_name_the_one_that_is_needed) {
  const auto right = open();
  ASSERT_TRUE(right->begin(kVaultId));
  const auto wrapped = right->wrap("data key", kBinding);
  ASSERT_TRUE(wrapped);
  const auto wrong = open(2)->unwrap(*wrapped, kBinding);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Error::Code::wrong_key) << wrong.error().message;
  EXPECT_THAT(wrong.error().message, HasSubstr(right->id()));
}

TEST_P(KeyProviders, tell_a_vault_of_another_kind_of_provider) {
  const auto right = open();
  ASSERT_TRUE(right->begin(kVaultId));
  const auto wrapped = right->wrap("data key", kBinding);
  for (const auto& other : kinds()) {
    const bool same_key = std::string_view(other.name) == GetParam().name ||
                          (std::string_view("file credential").find(other.name) != std::string_view::npos &&
                           std::string_view("file credential").find(GetParam().name) != std::string_view::npos);
    if (same_key) continue;
    const auto opened = open_key(other.source(scratch.path(), 1));
    ASSERT_TRUE(opened);
    const auto refused = (*opened)->unwrap(*wrapped, kBinding);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Error::Code::wrong_key);
    EXPECT_THAT(refused.error().message, HasSubstr(right->id()));
  }
}

TEST_P(KeyProviders, tell_damage_from_a_wrong_key) {
  const auto provider = open();
  ASSERT_TRUE(provider->begin(kVaultId));
  std::string damaged = *provider->wrap("data key", kBinding);
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_REFUSED(provider->unwrap(damaged, kBinding), corrupt);
  EXPECT_REFUSED(provider->unwrap("", kBinding), corrupt);
  EXPECT_REFUSED(provider->unwrap("pstk\x01", kBinding), corrupt);
}

TEST_P(KeyProviders, make_a_vault_and_open_it_again) {
  Options options;
  options.state = scratch.path() / "state";
  options.key = GetParam().source(scratch.path(), 1);
  Connection made;
  {
    const auto vault = World::checked(Vault::create(options));
    ASSERT_TRUE(vault);
    made = *vault->create_connection(stripe(), api_key("sk"));
  }
  const auto vault = World::checked(Vault::open(options));
  ASSERT_TRUE(vault);
  EXPECT_TRUE(vault->open_credential(made)->values.at("apiKey").equals("sk"));
}

TEST_P(KeyProviders, with_a_wrong_key_the_directory_stays_as_it_was_byte_for_byte) {
  Options options;
  options.state = scratch.path() / "state";
  options.key = GetParam().source(scratch.path(), 1);
  ASSERT_TRUE(Vault::create(options));
  const auto before = contents(options.state);
  Options wrong = options;
  wrong.key = GetParam().source(scratch.path(), 2);
  EXPECT_REFUSED(Vault::open(wrong), wrong_key);
  EXPECT_EQ(contents(options.state), before);
}

TEST(Keys, exactly_one_source_is_named) {
  EXPECT_REFUSED(open_key({}), invalid);
  EXPECT_REFUSED(open_key({.file = "/k", .passphrase_file = {}, .credential = "c", .exec = {}}), invalid);
}

// Both made by a second, independent writer.
std::string golden(const char* name) {
  std::string text = read_file(std::filesystem::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault" / name);
  text.pop_back();
  return decode_hex(text).value_or("");
}

TEST(Keys, what_was_wrapped_by_a_passphrase_long_ago_unwraps) {
  const Scratch scratch;
  write_file(scratch.path() / "words", "correct horse battery staple\n");
  const auto opened =
      (*open_key_passphrase(scratch.path() / "words"))->unwrap(golden("wrapped_passphrase.hex"), kBinding);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->equals("a data key of long ago"));
}

TEST(Keys, what_was_wrapped_by_a_command_long_ago_unwraps) {
  const Scratch scratch;
  const auto opened = (*open_key_exec({kms(scratch.path(), "kms")}))->unwrap(golden("wrapped_exec.hex"), kBinding);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->equals("a data key of long ago"));
}

class KeyPassphrase : public testing::Test {
 protected:
  Result<void> begin(std::string_view text, mode_t mode = 0600) const {
    write_file(file, text, mode);
    const auto opened = open_key_passphrase(file);
    return opened ? (*opened)->begin(kVaultId) : std::unexpected(opened.error());
  }
  Scratch scratch;
  const std::filesystem::path file = scratch.path() / "passphrase";
};

TEST_F(KeyPassphrase, a_line_end_is_no_part_of_it_and_a_space_is) {
  write_file(file, "correct horse battery\n");
  const auto first = open_key_passphrase(file);
  ASSERT_TRUE(first && (*first)->begin(kVaultId));
  const auto wrapped = (*first)->wrap("x", kBinding);
  write_file(file, "correct horse battery\r\n");
  EXPECT_TRUE((*open_key_passphrase(file))->unwrap(*wrapped, kBinding));
  write_file(file, "correct horse battery ");
  EXPECT_REFUSED((*open_key_passphrase(file))->unwrap(*wrapped, kBinding), wrong_key);
}

TEST_F(KeyPassphrase, two_vaults_with_one_passphrase_have_two_keys) {
  write_file(file, "correct horse battery");
  const auto a = open_key_passphrase(file), b = open_key_passphrase(file);
  ASSERT_TRUE((*a)->begin(kVaultId) && (*b)->begin(kVaultId));
  EXPECT_NE((*a)->id(), (*b)->id());
}

TEST_F(KeyPassphrase, a_short_an_empty_and_a_readable_one_are_refused) {
  EXPECT_REFUSED(begin("short\n"), wrong_key);
  EXPECT_REFUSED(begin("\n"), wrong_key);
  EXPECT_REFUSED(begin("two lines of it\nand another\n"), wrong_key);
  EXPECT_REFUSED(begin("correct horse battery", 0644), wrong_key);
  EXPECT_REFUSED(begin(std::string(5000, 'x')), wrong_key);
}

TEST_F(KeyPassphrase, comes_from_a_descriptor_too) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = "correct horse battery\n";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  const auto opened = open_key_passphrase("/dev/fd/" + std::to_string(ends[0]));
  ::close(ends[0]);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE((*opened)->begin(kVaultId));
}

TEST_F(KeyPassphrase, a_cost_that_somebody_changed_is_not_paid) {
  write_file(file, "correct horse battery");
  const auto made = open_key_passphrase(file);
  ASSERT_TRUE((*made)->begin(kVaultId));
  const std::string wrapped = *(*made)->wrap("x", kBinding);
  for (const char cost : {'\x01', '\x0d', '\x15', '\x7f'}) {  // log2 of N; "pstk" kind length(2) %x01 come before it
    std::string changed = wrapped;
    changed[8] = cost;
    EXPECT_REFUSED((*open_key_passphrase(file))->unwrap(changed, kBinding), corrupt);
  }
}

TEST(KeyCredential, is_a_file_name_in_the_directory_of_systemd) {
  ::unsetenv("CREDENTIALS_DIRECTORY");
  EXPECT_REFUSED(open_key_credential("master"), wrong_key);
  const Scratch scratch;
  ::setenv("CREDENTIALS_DIRECTORY", scratch.path().c_str(), 1);
  for (const char* name : {"", ".", "..", "../master", "/etc/passwd", "missing"}) {
    EXPECT_REFUSED(open_key_credential(name), wrong_key);
  }
  ASSERT_TRUE(write_key_file(scratch.path() / "master"));
  EXPECT_TRUE(open_key_credential("master"));
  ::chmod((scratch.path() / "master").c_str(), 0440);  // as systemd's access control list makes it look
  EXPECT_TRUE(open_key_credential("master"));
  ::chmod((scratch.path() / "master").c_str(), 0444);
  EXPECT_REFUSED(open_key_credential("master"), wrong_key);
  ::unsetenv("CREDENTIALS_DIRECTORY");
}

class Programs : public testing::Test {
 protected:
  std::string script(std::string_view body, mode_t mode = 0700) {
    const auto file = scratch.path() / "command";
    write_file(file, "#!/bin/sh\n" + std::string(body), mode);
    return file.string();
  }
  Result<Secret> run(std::string_view body, std::string_view input = {}, int seconds = 10) {
    return run_program(
        {.arguments = {script(body), "one", "two"}, .input = input, .deadline = std::chrono::seconds(seconds)});
  }
  std::string refusal(std::string_view body, int seconds = 10) {
    const auto done = run(body, "the-secret-input", seconds);
    EXPECT_FALSE(done);
    return done ? "" : done.error().message;
  }
  Scratch scratch;
};

TEST_F(Programs, get_their_input_and_arguments_and_give_their_output) {
  const auto done = run("printf '%s|%s|' \"$1\" \"$2\"; cat", std::string_view("a\0b", 3));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->equals(std::string_view("one|two|a\0b", 11)));
  const std::string large(60 * 1024, 'x');
  EXPECT_TRUE(run("cat", large)->equals(large));
}

TEST_F(Programs, see_nothing_of_our_environment_and_stand_at_the_root) {
  ::setenv("POSTERN_TEST_SECRET", "canary", 1);
  const auto done = run("/usr/bin/env; pwd");
  ::unsetenv("POSTERN_TEST_SECRET");
  ASSERT_TRUE(done);
  EXPECT_THAT(std::string(done->expose()), Not(HasSubstr("canary")));
  EXPECT_THAT(std::string(done->expose()), Not(HasSubstr("HOME=")));
  EXPECT_TRUE(done->expose().ends_with("\n/\n"));
}

TEST_F(Programs, have_no_descriptor_of_ours) {
  const auto done = run("ls /proc/self/fd | tr '\\n' ' '");
  ASSERT_TRUE(done);
  EXPECT_EQ(std::string(done->expose()), "0 1 2 3 ");  // 3 is what ls reads the folder with
}

TEST_F(Programs, that_fail_are_told_with_their_first_line) {
  EXPECT_THAT(refusal("echo 'no such key alias/x' >&2; echo more >&2; exit 3"),
              HasSubstr("failed with exit code 3: no such key alias/x"));
  EXPECT_THAT(refusal("echo more >&2; exit 3"), Not(HasSubstr("\n")));
  EXPECT_THAT(refusal("exit 1"), HasSubstr("said nothing"));
  EXPECT_THAT(refusal("kill -9 $$"), HasSubstr("signal 9"));
}

TEST_F(Programs, what_could_be_a_key_is_left_out_of_the_message) {
  const std::string key = base64(std::string(32, 'k')), digits = hex(std::string(32, 'k'));
  const std::string said = refusal("printf 'bad key " + key + " or " + digits + " \\033[2J' >&2; exit 1");
  EXPECT_THAT(said, Not(HasSubstr(key.substr(0, 12))));
  EXPECT_THAT(said, Not(HasSubstr(digits.substr(0, 12))));
  EXPECT_THAT(said, Not(HasSubstr("\033")));
  EXPECT_THAT(said, HasSubstr("bad key (left out) or (left out)"));
}

TEST_F(Programs, that_hang_are_killed_with_everything_they_started) {
  const auto pid_file = scratch.path() / "pid";
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THAT(refusal("sleep 300 & echo $! > " + pid_file.string() + "; wait", 1), HasSubstr("was killed"));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60));
  const pid_t child = static_cast<pid_t>(std::stoi(read_file(pid_file)));
  // Its parent is gone, so somebody else reaps it: it may still be there as a zombie for a moment.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto alive = [child] {
    const std::string status = read_file("/proc/" + std::to_string(child) + "/stat");
    return !status.empty() && status.find(") Z ") == std::string::npos;
  };
  while (alive() && std::chrono::steady_clock::now() < until) ::usleep(1000);
  EXPECT_FALSE(alive());
}

TEST_F(Programs, a_child_that_holds_the_output_open_does_not_hold_us) {
  const auto done = run("printf done; sleep 300 & exit 0");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->equals("done"));
}

TEST_F(Programs, that_write_too_much_are_stopped) {
  EXPECT_THAT(refusal("cat /dev/zero"), HasSubstr("more than 64 KiB"));
}

TEST_F(Programs, that_others_could_change_are_not_run) {
  for (const mode_t mode : {0720U, 0702U, 0777U}) {
    const auto file = script("cat", mode);
    const auto done = run_program({.arguments = {file}, .input = {}});
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message, HasSubstr("chmod go-w"));
  }
  EXPECT_FALSE(run_program({.arguments = {"command"}, .input = {}}));
  EXPECT_FALSE(run_program({.arguments = {scratch.path().string()}, .input = {}}));
  EXPECT_FALSE(run_program({.arguments = {(scratch.path() / "missing").string()}, .input = {}}));
  EXPECT_FALSE(run_program({.arguments = {script("cat", 0600)}, .input = {}}));
  EXPECT_FALSE(run_program({.arguments = {}, .input = {}}));
}

class KeyExec : public testing::Test {
 protected:
  Error::Code begin(const std::string& body) {
    const auto file = scratch.path() / "kms";
    write_file(file, "#!/bin/sh\n" + body, 0700);
    const auto opened = open_key_exec({file.string()});
    const auto begun = (*opened)->begin(kVaultId);
    EXPECT_FALSE(begun);
    return begun ? Error::Code{} : begun.error().code;
  }
  Scratch scratch;
};

TEST_F(KeyExec, one_that_does_not_give_back_what_it_took_wraps_nothing) {
  EXPECT_EQ(begin("exit 1"), Error::Code::wrong_key);
  EXPECT_EQ(begin("true"), Error::Code::wrong_key);                                             // nothing came
  EXPECT_EQ(begin("cat"), Error::Code::wrong_key);                                              // it did not encrypt
  EXPECT_EQ(begin("[ $1 = wrap ] && echo x || echo y"), Error::Code::wrong_key);                // no key comes back
  EXPECT_EQ(begin("[ $1 = wrap ] && echo x || head -c 32 /dev/zero"), Error::Code::wrong_key);  // another one does
}

TEST_F(KeyExec, is_asked_once_for_all_the_records_of_a_vault) {
  const auto log = scratch.path() / "log";
  const std::string inner = kms(scratch.path(), "inner");
  const auto file = scratch.path() / "kms";
  write_file(file, "#!/bin/sh\necho \"$@\" >> " + log.string() + "\nexec " + inner + " \"$@\"\n", 0700);
  Options options;
  options.state = scratch.path() / "state";
  options.key.exec = {file.string(), "--key", "a b"};
  ASSERT_TRUE(Vault::create(options));
  write_file(log, "");
  const auto vault = World::checked(Vault::open(options));
  ASSERT_TRUE(vault);
  EXPECT_EQ(read_file(log), "--key a b unwrap " + vault->id() + "\n");
}

}  // namespace
}  // namespace postern::vault::test
