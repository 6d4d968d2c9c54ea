/* yaml2c.c - turns a YAML document into a C source that holds it as JSON text. Runs at build time:
 *
 *     yaml2c NAME < document.yaml > document.c
 *
 * defines `const char NAME[]` and `const size_t NAME_bytes`. Plain scalars are read as YAML 1.2's
 * core schema has them (null, true, false, numbers); everything else is text. Aliases are not
 * read. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 64, LINE_BYTES = 90 };

static int column;

/* One byte of JSON, as part of a C string literal. */
static void put(unsigned char c)
{
    if (column == 0) fputs("    \"", stdout);
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 0x20 || c > 0x7e) printf("\\%03o", c);
    else putchar(c);
    if (++column >= LINE_BYTES) {
        fputs("\"\n", stdout);
        column = 0;
    }
}

static void put_text(const char *text)
{
    for (; *text; text++) put((unsigned char)*text);
}

static void put_string(const unsigned char *text, size_t n)
{
    char escape[8];
    put('"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\') put('\\');
        if (text[i] >= 0x20) {
            put(text[i]);
        } else {
            snprintf(escape, sizeof escape, text[i] == '\n' ? "\\n" : "\\u%04x", text[i]);
            put_text(escape);
        }
    }
    put('"');
}

static bool is_number(const char *text)
{
    char *end;
    if (!strchr("-0123456789", text[0]) || strpbrk(text, "xXnNpP")) return false;
    if (text[0] == '0' && text[1] >= '0' && text[1] <= '9') return false;
    strtod(text, &end);
    return end != text && !*end;
}

static void put_scalar(const yaml_event_t *e, bool is_key)
{
    const char *text = (const char *)e->data.scalar.value;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !is_key;
    if (plain && (!*text || !strcmp(text, "~") || !strcmp(text, "null"))) put_text("null");
    else if (plain && (!strcmp(text, "true") || !strcmp(text, "false") || is_number(text)))
        put_text(text);
    else put_string(e->data.scalar.value, e->data.scalar.length);
}

struct level { bool mapping; int n; };           /* n: values so far; keys and values alternate */

static void separate(struct level *l)
{
    if (l->mapping && l->n % 2) put(':');
    else if (l->n) put(',');
    l->n++;
}

/* One event of the document; false at its end or when something is not read. */
static bool step(const yaml_event_t *e, struct level *levels, int *depth, const char **error)
{
    struct level *l = &levels[*depth];
    switch (e->type) {
    case YAML_SCALAR_EVENT: {
        bool is_key = l->mapping && l->n % 2 == 0;
        separate(l);
        put_scalar(e, is_key);
        return true;
    }
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (*depth + 1 == MAX_DEPTH) {
            *error = "nested too deeply";
            return false;
        }
        separate(l);
        levels[++*depth] = (struct level){ .mapping = e->type == YAML_MAPPING_START_EVENT };
        put(e->type == YAML_MAPPING_START_EVENT ? '{' : '[');
        return true;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        put(e->type == YAML_MAPPING_END_EVENT ? '}' : ']');
        --*depth;
        return true;
    case YAML_ALIAS_EVENT:
        *error = "aliases are not read";
        return false;
    default:
        return e->type != YAML_STREAM_END_EVENT;
    }
}

int main(int argc, char **argv)
{
    struct level levels[MAX_DEPTH] = { 0 };
    int depth = 0;
    const char *error = NULL;
    yaml_parser_t parser;
    yaml_event_t event;
    if (argc != 2 || !yaml_parser_initialize(&parser)) return 2;
    yaml_parser_set_input_file(&parser, stdin);
    printf("/* Made by scripts/yaml2c.c. */\n#include <stddef.h>\n\nextern const char %s[];\n"
           "extern const size_t %s_bytes;\n\nconst char %s[] =\n", argv[1], argv[1], argv[1]);
    for (bool more = true; more && !error;) {
        if (!yaml_parser_parse(&parser, &event)) {
            error = parser.problem ? parser.problem : "not YAML";
            break;
        }
        more = step(&event, levels, &depth, &error);
        yaml_event_delete(&event);
    }
    if (error) fprintf(stderr, "yaml2c: line %zu: %s\n", parser.mark.line + 1, error);
    yaml_parser_delete(&parser);
    put('\n');
    printf("%s;\n\nconst size_t %s_bytes = sizeof %s - 1;\n", column ? "\"" : "", argv[1], argv[1]);
    return error != NULL;
}
