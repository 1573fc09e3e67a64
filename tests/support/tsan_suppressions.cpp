// ThreadSanitizer sees nothing of the locks and atomics inside libraries that were built without it, and takes what
// they do in order for races. Only what comes out of those libraries is passed over, and what their static destructors
// do at exit; our own code is not.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\n"
         "race:librocksdb.so\n"
         "race:libsnappy.so\n"
         "race:__run_exit_handlers\n"
         "mutex:librocksdb.so\n"
         "deadlock:librocksdb.so\n";
}
#endif
#endif
