/* version.c - what this is and what it stands on. */
#include <stdio.h>

#include "base/cpu.h"
#include "cli/cli.h"
#include "formats/libraries.h"
#include "http/server.h"
#include "http/tls.h"

int tp_cli_version(int argc, char **argv)
{
    const struct tp_cli_command command = { .name = "version", .usage = "" };
    struct tp_err err = { 0 };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    if (!tp_init(&err)) return tp_cli_fail("version", &err);
    printf("tidepool %s\nkernels: %s\nthreads: %d\nlibraries: libmicrohttpd %s, gnutls %s, "
           "jansson %s, %s, libspng %s, libwebp %s, libdeflate %s, protobuf-c %s\n",
           TP_VERSION, tp_cpu_name(), tp_cpu_count(), tp_server_library(), tp_tls_library(),
           tp_json_library(), tp_jpeg_library(), tp_png_library(), tp_webp_library(),
           tp_deflate_library(), tp_protobuf_library());
    return TP_EXIT_DONE;
}
