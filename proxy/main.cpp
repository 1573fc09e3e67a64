#include "proxy/app.hpp"

int main(int argc, char** argv) {
  return postern::cli::main(argc, argv, {.run = postern::run});
}
