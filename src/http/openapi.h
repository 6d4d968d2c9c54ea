/* openapi.h - api/openapi.yaml as JSON; the build makes openapi.c from it. */
#ifndef TP_OPENAPI_H
#define TP_OPENAPI_H

#include <stddef.h>

extern const char tp_openapi_json[];
extern const size_t tp_openapi_json_bytes;

#endif
