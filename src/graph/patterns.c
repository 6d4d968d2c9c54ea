/* patterns.c - activations that exporters write as several nodes.
 *
 * They are recognised by what they compute, not by how it is spelled: all but HardSigmoid are
 * k * A * (s * f(B) + t), where A is a multiple of some x, f an activation there is and B a
 * polynomial in x. Scales and shifts may stand in any order and number, before or behind. */
#include "graph/patterns.h"

#include <math.h>

enum {
    DEGREE = 3,
    DEPTH = 6,                       /* nodes between x and what is made of it */
};

#define TOLERANCE 1e-6               /* relative: constants are written as floats */

struct poly { double c[DEGREE + 1]; };                   /* c[0] + c[1] x + c[2] x^2 + .. */

/* scale * value of `node` + shift */
struct line { int node; double scale, shift; };

static bool near(double a, double b) { return fabs(a - b) <= TOLERANCE * fabs(b); }

/* ---- polynomials ----------------------------------------------------------------------------- */

/* The one value of all n numbers. NULL is what was left out. */
static bool uniform(const float *p, int64_t n, double missing, double *value)
{
    *value = p ? (double)p[0] : missing;
    for (int64_t i = 1; p && i < n; i++)
        if (p[i] != p[0]) return false;
    return true;
}

static bool is_constant(const struct tp_rewrite *rw, int i)
{
    return rw->nodes[i].op == &tp_op_constant;
}

static bool add(struct poly *p, const struct poly *q, double sign)
{
    for (int i = 0; i <= DEGREE; i++) p->c[i] += sign * q->c[i];
    return true;
}

static bool multiply(struct poly *p, const struct poly *q)
{
    struct poly product = { { 0 } };
    for (int i = 0; i <= DEGREE; i++)
        for (int j = 0; j <= DEGREE; j++) {
            double c = p->c[i] * q->c[j];
            if (c != 0 && i + j > DEGREE) return false;
            if (i + j <= DEGREE) product.c[i + j] += c;
        }
    *p = product;
    return true;
}

static bool power(struct poly *p, double exponent)
{
    const struct poly base = *p;
    if (exponent == 2) return multiply(p, &base);
    return exponent == 3 && multiply(p, &base) && multiply(p, &base);
}

static bool is_number(const struct poly *p) { return !p->c[1] && !p->c[2] && !p->c[3]; }

/* p op q */
static bool combine(struct poly *p, enum tp_binary_kind kind, const struct poly *q)
{
    const struct poly inverse = { { 1 / q->c[0] } };
    switch (kind) {
    case TP_BINARY_ADD: return add(p, q, 1);
    case TP_BINARY_SUB: return add(p, q, -1);
    case TP_BINARY_MUL: return multiply(p, q);
    case TP_BINARY_DIV: return is_number(q) && q->c[0] != 0 && multiply(p, &inverse);
    case TP_BINARY_POW: return is_number(q) && power(p, q->c[0]);
    default: return false;
    }
}

/* p becomes what node nd, which reads it, makes of it. */
static bool through(const struct tp_rewrite *rw, int i, struct poly *p)
{
    const struct tp_node *nd = &rw->nodes[i];
    const struct tp_shape *s = &rw->shapes[i];
    struct poly factor = { { 0 } }, shift = { { 0 } };
    if (nd->op == &tp_op_affine) {
        int64_t channels = s->dim[s->rank - 1];
        return uniform(nd->scale, channels, 1, &factor.c[0]) &&
               uniform(nd->shift, channels, 0, &shift.c[0]) && multiply(p, &factor) &&
               add(p, &shift, 1);
    }
    if (nd->op != &tp_op_activation) return false;
    factor.c[0] = -1;
    switch (nd->act.kind) {
    case TP_ACT_NEG: return multiply(p, &factor);
    case TP_ACT_SQUARE: return power(p, 2);
    case TP_ACT_POW: return power(p, (double)nd->act.alpha);
    default: return false;
    }
}

/* Node i as a polynomial in x; looks at most `depth` nodes back. */
static bool poly_of(const struct tp_rewrite *rw, int i, int x, int depth, struct poly *p)
{
    const struct tp_node *nd = &rw->nodes[i];
    struct poly q;
    *p = (struct poly){ { 0 } };
    if (i == x) {
        p->c[1] = 1;
        return true;
    }
    if (is_constant(rw, i))
        return uniform(nd->attr.constant.data, tp_shape_elements(&rw->shapes[i]), 0, &p->c[0]);
    bool plain = nd->op == &tp_op_activation || nd->act.kind == TP_ACT_LINEAR;
    if (!depth || !plain || nd->n_inputs < 1 || nd->n_inputs > 2 ||
        !poly_of(rw, nd->inputs[0], x, depth - 1, p))
        return false;
    if (nd->n_inputs == 1) return through(rw, i, p);
    if (nd->op == &tp_op_combine && nd->attr.combine.mean) return false;
    if (nd->op != &tp_op_binary && nd->op != &tp_op_combine) return false;
    return poly_of(rw, nd->inputs[1], x, depth - 1, &q) &&
           combine(p, nd->op == &tp_op_combine ? TP_BINARY_ADD : nd->attr.binary, &q);
}

/* Goes one node back where that only scales and shifts. */
static bool peel(const struct tp_rewrite *rw, struct line *l)
{
    const struct tp_node *nd = &rw->nodes[l->node];
    struct poly p;
    if (!nd->n_inputs) return false;
    int from = nd->inputs[nd->n_inputs == 2 && is_constant(rw, nd->inputs[0])];
    if (!poly_of(rw, l->node, from, 1, &p) || p.c[1] == 0 || p.c[2] != 0 || p.c[3] != 0)
        return false;
    l->shift += l->scale * p.c[0];
    l->scale *= p.c[1];
    l->node = from;
    return true;
}

/* ---- what they are --------------------------------------------------------------------------- */

static bool is_line(const struct poly *p, double scale, double shift)
{
    if (p->c[2] != 0 || p->c[3] != 0 || !near(p->c[1], scale)) return false;
    return shift == 0 ? p->c[0] == 0 : near(p->c[0], shift);
}

/* sqrt(2 / pi) (x + 0.044715 x^3) */
static bool is_gelu_cubic(const struct poly *p)
{
    const double slope = sqrt(2 / M_PI);
    return p->c[0] == 0 && p->c[2] == 0 && near(p->c[1], slope) && near(p->c[3], slope * 0.044715);
}

/* clamp(x / 6 + 1/2, 0, 1) as scale * clamp(p, 0, most) */
static bool is_hard_gate(const struct poly *p, double scale, double most)
{
    const struct poly scaled = { { scale * p->c[0], scale * p->c[1], p->c[2], p->c[3] } };
    return near(scale * most, 1) && is_line(&scaled, 1 / 6.0, 0.5);
}

/* The name of x * (scale * nd(x) + shift), nd being an Activation; TP_ACT_LINEAR when it has
 * none. */
static enum tp_act_kind name_product(const struct tp_rewrite *rw, int x, double scale, double shift,
                                     const struct tp_node *nd)
{
    const struct tp_node *inner = &rw->nodes[nd->inputs[0]];
    const bool whole = near(scale, 1) && shift == 0, half = near(scale, 0.5) && near(shift, 0.5);
    const double alpha = (double)nd->act.alpha, beta = (double)nd->act.beta;
    struct poly p;
    if (whole && nd->act.kind == TP_ACT_TANH && inner->op == &tp_op_activation &&
        inner->act.kind == TP_ACT_SOFTPLUS && inner->inputs[0] == x) return TP_ACT_MISH;
    if (!poly_of(rw, nd->inputs[0], x, DEPTH, &p)) return TP_ACT_LINEAR;
    switch (nd->act.kind) {
    case TP_ACT_SIGMOID: return whole && is_line(&p, 1, 0) ? TP_ACT_SWISH : TP_ACT_LINEAR;
    case TP_ACT_ERF: return half && is_line(&p, M_SQRT1_2, 0) ? TP_ACT_GELU : TP_ACT_LINEAR;
    case TP_ACT_TANH: return half && is_gelu_cubic(&p) ? TP_ACT_GELU_TANH : TP_ACT_LINEAR;
    case TP_ACT_CLAMP:
        return shift == 0 && alpha == 0 && is_hard_gate(&p, scale, beta) ? TP_ACT_HARD_SWISH
                                                                         : TP_ACT_LINEAR;
    case TP_ACT_HARD_SIGMOID:
        for (int i = 0; i <= DEGREE; i++) p.c[i] *= alpha;
        p.c[0] += beta;
        return whole && is_line(&p, 1 / 6.0, 0.5) ? TP_ACT_HARD_SWISH : TP_ACT_LINEAR;
    default: return TP_ACT_LINEAR;
    }
}

/* ---- finding them ---------------------------------------------------------------------------- */

/* Node i becomes an activation of x. */
static bool become(struct tp_rewrite *rw, int i, int x, struct tp_act act)
{
    const struct tp_node was = rw->nodes[i];
    int *input = tp_arena_alloc(rw->arena, sizeof *input);
    if (!input) return false;
    *input = x;
    rw->nodes[i] = (struct tp_node){
        .name = was.name, .type = was.type, .n_parameters = was.n_parameters, .hidden = was.hidden,
        .op = &tp_op_activation, .act = act, .n_inputs = 1, .inputs = input,
    };
    return true;
}

/* Whether node i is scale * a * b for an activation b of something that a is a multiple of. Nothing
 * between x and i can be larger than both, so equal shapes mean that nothing broadcasts x. */
static bool find_product(const struct tp_rewrite *rw, int i, double scale, int a, int b, int *x,
                         enum tp_act_kind *kind)
{
    struct line gate = { b, scale, 0 }, factor = { a, 1, 0 };
    for (int n = 0; n < DEPTH && peel(rw, &gate);) n++;
    const struct tp_node *f = &rw->nodes[gate.node];
    if (f->op != &tp_op_activation) return false;
    for (int n = 0; n < DEPTH && factor.shift == 0; n++) {
        *x = factor.node;
        *kind = name_product(rw, *x, factor.scale * gate.scale, factor.scale * gate.shift, f);
        if (*kind != TP_ACT_LINEAR && tp_shape_equal(&rw->shapes[*x], &rw->shapes[i])) return true;
        if (!peel(rw, &factor)) return false;
    }
    return false;
}

/* Whether scale * nd is clamp(x / 6 + 1/2, 0, 1). */
static bool find_gate(const struct tp_rewrite *rw, int i, double scale, const struct tp_node *nd,
                      int *x)
{
    if (nd->op != &tp_op_activation || nd->act.kind != TP_ACT_CLAMP || nd->act.alpha != 0)
        return false;
    struct line l = { nd->inputs[0], 1, 0 };
    for (int n = 0; n < DEPTH; n++) {
        const struct poly p = { { l.shift, l.scale } };
        *x = l.node;
        if (is_hard_gate(&p, scale, (double)nd->act.beta) &&
            tp_shape_equal(&rw->shapes[*x], &rw->shapes[i])) return true;
        if (!peel(rw, &l)) return false;
    }
    return false;
}

static bool find_at(struct tp_rewrite *rw, int i)
{
    struct line l = { i, 1, 0 };
    enum tp_act_kind kind;
    int x;
    for (int n = 0; n < DEPTH && l.shift == 0; n++) {
        const struct tp_node *nd = &rw->nodes[l.node];
        if (find_gate(rw, i, l.scale, nd, &x))
            return become(rw, i, x, (struct tp_act){ .kind = TP_ACT_HARD_SIGMOID,
                                                     .alpha = 1 / 6.0f, .beta = 0.5f });
        if (nd->op == &tp_op_binary && nd->attr.binary == TP_BINARY_MUL &&
            nd->act.kind == TP_ACT_LINEAR &&
            (find_product(rw, i, l.scale, nd->inputs[0], nd->inputs[1], &x, &kind) ||
             find_product(rw, i, l.scale, nd->inputs[1], nd->inputs[0], &x, &kind)))
            return become(rw, i, x, (struct tp_act){ .kind = kind });
        if (!peel(rw, &l)) return true;
    }
    return true;
}

bool tp_patterns_find(struct tp_rewrite *rw)
{
    for (int i = 1; i < rw->n_nodes; i++)
        if (rw->alive[i] && !find_at(rw, i)) return false;
    return true;
}
