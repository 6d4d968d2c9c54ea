/* exposition.c - Prometheus's text format. */
#include "service/exposition.h"

void tp_exposition_family(struct tp_buf *b, const char *name, const char *type, const char *help)
{
    tp_buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and line feed are the three that the format escapes. */
static void put_escaped(struct tp_buf *b, const char *text)
{
    for (; *text; text++)
        if (*text == '\\' || *text == '"') {
            tp_buf_text(b, "\\");
            tp_buf_bytes(b, text, 1);
        } else if (*text == '\n') {
            tp_buf_text(b, "\\n");
        } else {
            tp_buf_bytes(b, text, 1);
        }
}

void tp_exposition_sample(struct tp_buf *b, const char *name, const char *suffix,
                          const struct tp_exposition_label *labels, int n_labels)
{
    tp_buf_text(b, name);
    tp_buf_text(b, suffix);
    for (int i = 0; i < n_labels; i++) {
        tp_buf_text(b, i ? "," : "{");
        tp_buf_text(b, labels[i].name);
        tp_buf_text(b, "=\"");
        put_escaped(b, labels[i].value);
        tp_buf_text(b, "\"");
    }
    tp_buf_text(b, n_labels ? "} " : " ");
}

void tp_exposition_int(struct tp_buf *b, int64_t value)
{
    tp_buf_int(b, value);
    tp_buf_text(b, "\n");
}

void tp_exposition_real(struct tp_buf *b, double value) { tp_buf_printf(b, "%.9g\n", value); }

void tp_exposition_alone(struct tp_buf *b, const char *name, const char *type, const char *help,
                         int64_t value)
{
    tp_exposition_family(b, name, type, help);
    tp_exposition_sample(b, name, "", NULL, 0);
    tp_exposition_int(b, value);
}
