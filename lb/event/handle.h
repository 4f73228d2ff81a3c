// RAII over libuv handles: from uv_close on libuv owns the memory and frees it in the close callback, so a
// handle needs no reference counting. Loop thread only. A handle whose init failed is freed, never closed.
#pragma once

#include <uv.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace vipward {

template <class T>
struct HandleCloser {
  void operator()(T* handle) const noexcept {
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
  }
};

template <class T>
using Handle = std::unique_ptr<T, HandleCloser<T>>;

// A broken invariant: libuv calls that cannot fail here did.
inline void require_uv(int status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
  std::abort();
}

}  // namespace vipward
