// A program that crashes whatever it is asked: what an upgrade must survive.
#include <cstdlib>

int main() {
  std::abort();
}
