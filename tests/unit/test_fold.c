/* test_fold.c - nodes that become part of what makes their input: what is folded, what must not be.
 *
 * check_layers() holds every answer against the judge, who knows of no folding, and tells how many
 * steps the plan takes. */
#include "network.h"

/* ---- batch normalizations and activations ---------------------------------------------------- */

typedef int put_fn(struct tp_graph *g, int from);

static int put_conv5(struct tp_graph *g, int from) { return put_conv(g, from, 5); }
static int put_dense5(struct tp_graph *g, int from) { return put_dense(g, from, 5); }

static void a_batch_norm_and_an_activation_are_part_of_what_they_follow(void **state)
{
    (void)state;
    static put_fn *const producers[] = { put_conv5, put_dense5, put_depthwise };
    for (int i = 0; i < 3; i++) {
        struct tp_graph *g = network(6, 7, 3);
        int x = producers[i](g, 0), bn = put_batch_norm(g, x), relu = put_relu(g, bn);
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(bn)), 1);
        assert_int_equal(check_layers(g, ON(x)), 1);
        assert_int_equal(check_layers(g, ON(bn, relu)), 2);
        assert_int_equal(check_layers(g, ON(x, relu)), 2);
        assert_int_equal(check_layers(g, ON(relu, x, bn)), 3);
        tp_graph_free(g);
    }
}

static void batch_norms_that_follow_each_other_become_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int a = put_batch_norm(g, put_conv(g, 0, 6)), b = put_batch_norm(g, a);
    int c = put_relu(g, put_batch_norm(g, b));
    assert_int_equal(check_layers(g, ON(c)), 1);
    assert_int_equal(check_layers(g, ON(b, c)), 2);
    int first = put_batch_norm(g, put_max_pool(g, 0)), last = put_batch_norm(g, first);
    assert_int_equal(check_layers(g, ON(put_relu(g, last))), 2);
    assert_int_equal(check_layers(g, ON(first, last)), 3);
    tp_graph_free(g);
}

/* bn(relu(conv)) is not relu(bn(conv)). */
static void a_batch_norm_behind_an_activation_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    struct tp_node nd = conv_node(g, 0, 4, 1, 3, 3);
    nd.act = relu_act;
    int conv = put(g, nd, ON(0)), bn = put_batch_norm(g, conv);
    int later = put_batch_norm(g, put_relu(g, put_conv(g, 0, 4)));
    assert_int_equal(check_layers(g, ON(bn)), 2);
    assert_int_equal(check_layers(g, ON(later)), 2);
    tp_graph_free(g);
}

static void an_activation_behind_an_activation_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    struct tp_node abs = { .op = &tp_op_activation, .act.kind = TP_ACT_ABS };
    struct tp_node tanh_act = { .op = &tp_op_activation, .act.kind = TP_ACT_TANH };
    int a = put(g, abs, ON(put_conv(g, 0, 4))), b = put(g, tanh_act, ON(a));
    assert_int_equal(check_layers(g, ON(b)), 2);
    tp_graph_free(g);
}

static void a_convolution_that_is_read_twice_is_not_changed(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int conv = put_conv(g, 0, 4), bn = put_batch_norm(g, conv), relu = put_relu(g, conv);
    assert_int_equal(check_layers(g, ON(bn, relu)), 3);
    assert_int_equal(check_layers(g, ON(relu)), 1);      /* nobody else reads it now */
    assert_int_equal(check_layers(g, ON(bn)), 1);
    tp_graph_free(g);
}

static void a_batch_norm_alone_takes_an_activation_with_it(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int relu = put_relu(g, put_batch_norm(g, 0));
    int pooled = put_relu(g, put_max_pool(g, 0));
    assert_int_equal(check_layers(g, ON(relu)), 1);
    assert_int_equal(check_layers(g, ON(pooled)), 1);
    assert_int_equal(check_layers(g, ON(put_batch_norm(g, put_max_pool(g, 0)))), 2);
    tp_graph_free(g);
}

static void nothing_is_folded_into_the_input_a_constant_or_a_view(void **state)
{
    (void)state;
    struct tp_graph *g = network(5, 5, 2);
    int constant = put_constant(g, 6);
    int a = put_relu(g, 0), b = put_batch_norm(g, 0), c = put_relu(g, constant);
    int flat = put_relu(g, put_plain(g, &tp_op_flatten, put_conv(g, 0, 3)));
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(b)), 1);
    assert_int_equal(check_layers(g, ON(c)), 1);
    assert_int_equal(check_layers(g, ON(flat)), 2);
    assert_int_equal(check_layers(g, ON(flat, a, b, c)), 5);
    tp_graph_free(g);
}

/* ---- residual sums --------------------------------------------------------------------------- */

static void a_sum_is_part_of_the_convolution_that_it_adds_to(void **state)
{
    (void)state;
    static put_fn *const producers[] = { put_conv5, put_dense5, put_depthwise };
    for (int i = 0; i < 3; i++) {
        struct tp_graph *g = network(6, 5, 5);
        int x = put_max_pool(g, 0), conv = producers[i](g, x), bn = put_batch_norm(g, conv);
        int right = put_add(g, x, bn), left = put_add(g, bn, x);
        int relu = put_relu(g, right);
        assert_int_equal(check_layers(g, ON(right)), 2);
        assert_int_equal(check_layers(g, ON(left)), 2);
        assert_int_equal(check_layers(g, ON(relu)), 2);
        assert_int_equal(check_layers(g, ON(relu, right)), 3);
        assert_int_equal(check_layers(g, ON(relu, bn)), 3);
        assert_int_equal(check_layers(g, ON(left, right)), 4);
        tp_graph_free(g);
    }
}

static void a_sum_by_the_binary_operator_is_folded_as_well(void **state)
{
    (void)state;
    struct tp_node add = { .op = &tp_op_binary, .attr.binary = TP_BINARY_ADD };
    struct tp_node sub = { .op = &tp_op_binary, .attr.binary = TP_BINARY_SUB };
    struct tp_graph *g = network(6, 5, 5);
    int x = put_max_pool(g, 0), conv = put_conv(g, x, 5);
    int right = put(g, add, ON(x, conv)), left = put(g, add, ON(conv, x));
    int relu = put_relu(g, right), less = put(g, sub, ON(put_conv(g, x, 5), x));
    int same = put(g, add, ON(conv, conv)), wide = put(g, add, ON(conv, put_global(g, x)));
    assert_int_equal(check_layers(g, ON(right)), 2);
    assert_int_equal(check_layers(g, ON(left)), 2);
    assert_int_equal(check_layers(g, ON(relu)), 2);
    assert_int_equal(check_layers(g, ON(relu, conv)), 3);
    assert_int_equal(check_layers(g, ON(less)), 3);
    assert_int_equal(check_layers(g, ON(same)), 3);
    assert_int_equal(check_layers(g, ON(wide)), 4);
    tp_graph_free(g);
}

static void of_two_convolutions_one_takes_the_sum(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 2);
    int a = put_conv(g, 0, 4), b = put_conv(g, 0, 4), sum = put_relu(g, put_add(g, a, b));
    assert_int_equal(check_layers(g, ON(sum)), 2);
    assert_int_equal(check_layers(g, ON(sum, b)), 2);    /* then a takes it */
    assert_int_equal(check_layers(g, ON(a, sum)), 2);
    assert_int_equal(check_layers(g, ON(a, b, sum)), 3);
    tp_graph_free(g);
}

static void sums_of_sums_are_folded_one_by_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int x = 0;
    for (int i = 0; i < 4; i++) x = put_add(g, put_conv(g, x, 4), x);
    assert_int_equal(check_layers(g, ON(x)), 4);
    /* A convolution that has one residual takes no second. */
    int other = put_max_pool(g, put_padding(g, 0, 3, 3, 3, 2));
    int twice = put_add(g, put_add(g, put_conv(g, 0, 4), 0), other);
    assert_int_equal(check_layers(g, ON(twice)), 4);
    tp_graph_free(g);
}

/* bn(conv + x) scales x too. */
static void a_batch_norm_behind_a_sum_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int sum = put_add(g, put_conv(g, 0, 4), 0), bn = put_relu(g, put_batch_norm(g, sum));
    assert_int_equal(check_layers(g, ON(bn)), 2);
    tp_graph_free(g);
}

static void sums_that_a_convolution_cannot_take_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    struct tp_node mean = { .op = &tp_op_combine, .attr.combine.mean = true };
    int conv = put_conv(g, 0, 4), same = put_add(g, conv, conv);
    int active = put_add(g, put_relu(g, put_conv(g, 0, 4)), 0);
    int average = put(g, mean, ON(put_conv(g, 0, 4), 0));
    int three = put(g, (struct tp_node){ .op = &tp_op_combine }, ON(put_conv(g, 0, 4), 0, 0));
    int plain = put_add(g, 0, 0);
    assert_int_equal(check_layers(g, ON(same)), 2);
    assert_int_equal(check_layers(g, ON(conv, same)), 2);
    assert_int_equal(check_layers(g, ON(active)), 2);
    assert_int_equal(check_layers(g, ON(average)), 2);
    assert_int_equal(check_layers(g, ON(three)), 2);
    assert_int_equal(check_layers(g, ON(plain)), 1);
    tp_graph_free(g);
}

static void sums_that_broadcast_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int small = put_conv(g, put_global(g, 0), 4), wide = put_conv(g, 0, 4);
    int bias = put_constant(g, 4), scalar = put_conv(g, put_global(g, 0), 1);
    assert_int_equal(check_layers(g, ON(put_add(g, 0, small))), 3);
    assert_int_equal(check_layers(g, ON(put_add(g, wide, put_global(g, 0)))), 3);
    assert_int_equal(check_layers(g, ON(put_add(g, wide, bias))), 2);
    assert_int_equal(check_layers(g, ON(put_add(g, bias, wide))), 2);
    assert_int_equal(check_layers(g, ON(put_add(g, scalar, wide))), 4);
    tp_graph_free(g);
}

/* ---- padding --------------------------------------------------------------------------------- */

static int put_window(struct tp_graph *g, int from, enum tp_padding padding, int groups)
{
    struct tp_node nd = conv_node(g, from, 4, groups, 3, 2);
    nd.attr.conv.window.padding = padding;
    nd.attr.conv.window.strides[0] = 2;
    nd.attr.conv.window.dilations[1] = 2;
    nd.attr.conv.window.pads[0] = 1;                     /* read only when explicit */
    nd.attr.conv.window.pads[3] = 2;
    return put(g, nd, ON(from));
}

static void zeros_around_a_map_become_the_convolutions_own(void **state)
{
    (void)state;
    for (int groups = 1; groups <= 4; groups *= 2) {     /* 4: depthwise */
        struct tp_graph *g = network(6, 5, 4);
        int pad = put_padding(g, 0, 1, 2, 3, 0);
        int valid = put_window(g, pad, TP_PADDING_VALID, groups);
        int given = put_window(g, put_padding(g, 0, 0, 5, 1, 4), TP_PADDING_EXPLICIT, groups);
        int twice = put_window(g, put_padding(g, put_padding(g, 0, 1, 0, 2, 1), 0, 2, 1, 1),
                               TP_PADDING_VALID, groups);
        int relu = put_relu(g, put_batch_norm(g, valid));
        assert_int_equal(check_layers(g, ON(valid)), 1);
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(given)), 1);
        assert_int_equal(check_layers(g, ON(twice)), 2);
        assert_int_equal(check_layers(g, ON(pad, valid)), 2);
        tp_graph_free(g);
    }
}

static void padding_that_is_not_the_convolutions_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    struct tp_node ones = { .op = &tp_op_pad, .attr.pad = { { 1, 1, 1, 1 }, 1 } };
    int same = put_window(g, put_padding(g, 0, 1, 2, 3, 0), TP_PADDING_SAME, 1);
    int other = put_window(g, put(g, ones, ON(0)), TP_PADDING_VALID, 1);
    int shared = put_padding(g, 0, 1, 1, 1, 1);
    int a = put_window(g, shared, TP_PADDING_VALID, 1);
    int b = put_window(g, shared, TP_PADDING_VALID, 2);
    int pooled = put_max_pool(g, put_padding(g, 0, 1, 1, 1, 1));
    int frame = put_padding(g, 0, 0, 0, 3, 0);   /* 9 rows: the last window starts at row 8 */
    struct tp_node ceiling = conv_node(g, frame, 4, 1, 2, 1);
    ceiling.attr.conv.window.strides[0] = 2;
    ceiling.attr.conv.window.ceil_mode = true;
    assert_int_equal(check_layers(g, ON(put(g, ceiling, ON(frame)))), 2);
    assert_int_equal(check_layers(g, ON(same)), 2);
    assert_int_equal(check_layers(g, ON(other)), 2);
    assert_int_equal(check_layers(g, ON(a, b)), 3);
    assert_int_equal(check_layers(g, ON(a)), 1);
    assert_int_equal(check_layers(g, ON(pooled)), 2);
    tp_graph_free(g);
}

/* ---- gates ----------------------------------------------------------------------------------- */

static struct tp_node pointwise(struct tp_graph *g, int from, int filters)
{
    return conv_node(g, from, filters, 1, 1, 1);
}

static int put_product(struct tp_graph *g, int a, int b)
{
    return put(g, (struct tp_node){ .op = &tp_op_binary, .attr.binary = TP_BINARY_MUL }, ON(a, b));
}

/* [n, 1, 1, channels] of a map, as squeeze and excitation make it. */
static int put_gate(struct tp_graph *g, int from)
{
    struct tp_node mean = { .op = &tp_op_global_pool,
                            .attr.pool = { .kind = TP_OP_AVG, .keep_dims = true } };
    struct tp_node sigmoid = pointwise(g, from, channels_of(g, from));
    sigmoid.act.kind = TP_ACT_SIGMOID;
    int squeezed = put(g, mean, ON(from));
    return put(g, sigmoid, ON(squeezed));
}

static void a_gate_in_front_of_a_pointwise_convolution_is_part_of_it(void **state)
{
    (void)state;
    struct tp_graph *g = network(13, 12, 5);
    int x = put_max_pool(g, put_padding(g, 0, 1, 1, 1, 1)), gate = put_gate(g, x);
    int left = put_product(g, x, gate), right = put_product(g, gate, x);
    int a = put(g, pointwise(g, left, 5), ON(left)), b = put(g, pointwise(g, right, 9), ON(right));
    int sum = put_relu(g, put_add(g, put_batch_norm(g, a), x));
    assert_int_equal(check_layers(g, ON(a)), 5);         /* pad, pool, mean, its convolution, a */
    assert_int_equal(check_layers(g, ON(b)), 5);
    assert_int_equal(check_layers(g, ON(sum)), 5);
    assert_int_equal(check_layers(g, ON(a, left)), 6);   /* that layer as it is, too */
    assert_int_equal(check_layers(g, ON(sum, gate, x)), 5);
    tp_graph_free(g);
}

static void gates_that_a_convolution_cannot_take_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 8);
    int gate = put_gate(g, 0), gated = put_product(g, 0, gate);
    int wide = put(g, conv_node(g, gated, 4, 1, 3, 1), ON(gated));
    int grouped = put(g, conv_node(g, gated, 4, 2, 1, 1), ON(gated));
    int many = put(g, pointwise(g, gated, 40), ON(gated));           /* more work on weights */
    int active = put_relu(g, gated), behind = put(g, pointwise(g, active, 4), ON(active));
    int square = put_product(g, 0, 0), squared = put(g, pointwise(g, square, 4), ON(square));
    int single = put_gate(g, put_conv(g, 0, 1)), one = put_product(g, 0, single);
    int scaled = put(g, pointwise(g, one, 4), ON(one));
    int twice = put(g, pointwise(g, gated, 4), ON(gated));
    assert_int_equal(check_layers(g, ON(wide)), 4);
    assert_int_equal(check_layers(g, ON(grouped)), 4);
    assert_int_equal(check_layers(g, ON(many)), 4);
    assert_int_equal(check_layers(g, ON(behind)), 4);
    assert_int_equal(check_layers(g, ON(squared)), 2);
    assert_int_equal(check_layers(g, ON(scaled)), 5);
    assert_int_equal(check_layers(g, ON(twice, wide)), 5);
    assert_int_equal(check_layers(g, ON(twice)), 3);
    tp_graph_free(g);
}

/* ---- maxima ---------------------------------------------------------------------------------- */

static void maxima_of_four_are_part_of_a_winograd_convolution(void **state)
{
    (void)state;
    struct tp_graph *g = network(20, 18, 16);
    int conv = put_conv(g, 0, 20), relu = put_relu(g, put_batch_norm(g, conv));
    int pool = put_max_pool(g, relu), plain = put_max_pool(g, put_conv(g, 0, 16));
    int next = put_max_pool(g, put_relu(g, put_conv(g, plain, 33)));
    assert_int_equal(check_layers(g, ON(pool)), 1);
    assert_int_equal(check_layers(g, ON(plain)), 1);
    assert_int_equal(check_layers(g, ON(pool, relu)), 2);            /* the whole map, too */
    assert_int_equal(check_layers(g, ON(pool, conv)), 3);
    assert_int_equal(check_layers(g, ON(next)), 2);
    tp_graph_free(g);
}

static void what_follows_maxima_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(20, 18, 16);
    int small = put_max_pool(g, 0);
    int bn = put_batch_norm(g, put_max_pool(g, put_conv(g, 0, 16)));
    int relu = put_relu(g, put_max_pool(g, put_conv(g, 0, 16)));
    int sum = put_add(g, put_max_pool(g, put_conv(g, 0, 16)), small);
    int twice = put_max_pool(g, put_max_pool(g, put_conv(g, 0, 16)));
    int joined = put(g, (struct tp_node){ .op = &tp_op_concat, .attr.axis.axis = 3 },
                     ON(put_max_pool(g, put_conv(g, 0, 17)), small));
    assert_int_equal(check_layers(g, ON(bn)), 2);
    assert_int_equal(check_layers(g, ON(relu)), 2);
    assert_int_equal(check_layers(g, ON(sum)), 3);
    assert_int_equal(check_layers(g, ON(twice)), 2);
    assert_int_equal(check_layers(g, ON(joined)), 3);
    tp_graph_free(g);
}

static int put_pool(struct tp_graph *g, int from, struct tp_node nd)
{
    for (int axis = 0; axis < 2; axis++) {
        if (!nd.attr.pool.window.kernel[axis]) nd.attr.pool.window.kernel[axis] = 2;
        if (!nd.attr.pool.window.strides[axis]) nd.attr.pool.window.strides[axis] = 2;
        nd.attr.pool.window.dilations[axis] = 1;
    }
    nd.op = &tp_op_pool;
    return put(g, nd, ON(from));
}

#define POOL(...) (struct tp_node){ .attr.pool = { __VA_ARGS__ } }

static void other_pools_stay(void **state)
{
    (void)state;
    struct tp_graph *g = network(19, 18, 16);
    struct tp_node swish = { .op = &tp_op_activation, .act.kind = TP_ACT_SWISH };
    int conv = put_conv(g, 0, 16), dense = put_conv(g, put_max_pool(g, 0), 3);
    const int layers[] = {
        put_pool(g, conv, POOL(.kind = TP_OP_AVG)), put_pool(g, conv, POOL(.kind = TP_OP_MIN)),
        put_pool(g, conv, POOL(.kind = TP_OP_MAX, .window.kernel = { 3, 3 })),
        put_pool(g, conv, POOL(.kind = TP_OP_MAX, .window.strides = { 2, 1 })),
        put_pool(g, conv, POOL(.kind = TP_OP_MAX, .window.ceil_mode = true)),
        put_pool(g, conv, POOL(.kind = TP_OP_MAX, .window.padding = TP_PADDING_SAME)),
        put_pool(g, conv, POOL(.kind = TP_OP_MAX, .window = { .padding = TP_PADDING_EXPLICIT,
                                                             .pads = { 0, 1, 0, 1 } })),
        put_max_pool(g, put(g, swish, ON(put_conv(g, 0, 16)))),
        put_max_pool(g, put_add(g, put_conv(g, 0, 16), 0)),
    };
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        assert_int_equal(check_layers(g, 1, &layers[i]), 2);
    assert_int_equal(check_layers(g, ON(put_max_pool(g, dense))), 3);
    tp_graph_free(g);
}

/* ---- arithmetic with constants --------------------------------------------------------------- */

/* from kind constant, or the other way round. */
static int put_arithmetic(struct tp_graph *g, enum tp_binary_kind kind, int from, int constant,
                          bool swapped)
{
    struct tp_node nd = { .op = &tp_op_binary, .attr.binary = kind };
    return swapped ? put(g, nd, ON(constant, from)) : put(g, nd, ON(from, constant));
}

/* A constant of the shape, its values in 0.5 to 1.5: they are divided by. */
static int put_divisor(struct tp_graph *g, struct tp_shape shape)
{
    struct tp_node nd = { .op = &tp_op_constant };
    nd.attr.constant.data = weights(g, tp_shape_elements(&shape), 1, 0.5);
    nd.attr.constant.shape = shape;
    return put(g, nd, 0, NULL);
}

static void arithmetic_with_constants_is_part_of_what_it_follows(void **state)
{
    (void)state;
    static put_fn *const producers[] = { put_conv5, put_dense5, put_depthwise };
    static const enum tp_binary_kind kinds[] = { TP_BINARY_ADD, TP_BINARY_SUB, TP_BINARY_MUL,
                                                 TP_BINARY_DIV };
    static const struct tp_shape shapes[] = {
        { .rank = 0 }, { .rank = 1, .dim = { 1 } }, { .rank = 4, .dim = { 1, 1, 1, 1 } },
        { .rank = 1, .dim = { 5 } }, { .rank = 4, .dim = { 1, 1, 1, 5 } },
    };
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            for (int s = 0; s < 5; s++) {
                struct tp_graph *g = network(4, 3, 5);
                int x = producers[i](g, 0), c = put_divisor(g, shapes[s]);
                int y = put_arithmetic(g, kinds[k], x, c, false), relu = put_relu(g, y);
                int z = put_arithmetic(g, kinds[k], producers[i](g, 0), c, true);
                assert_int_equal(check_layers(g, ON(relu)), 1);
                assert_int_equal(check_layers(g, ON(x, y)), 2);
                assert_int_equal(check_layers(g, ON(z)), kinds[k] == TP_BINARY_DIV ? 2 : 1);
                tp_graph_free(g);
            }
}

static void chains_of_arithmetic_become_one(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 3, 5);
    int x = put_conv(g, 0, 6), c = put_divisor(g, (struct tp_shape){ .rank = 1, .dim = { 6 } });
    int one = put_divisor(g, (struct tp_shape){ .rank = 0 });
    x = put_arithmetic(g, TP_BINARY_SUB, x, c, false);
    x = put_arithmetic(g, TP_BINARY_DIV, x, one, false);
    int middle = x = put_batch_norm(g, x);
    x = put_arithmetic(g, TP_BINARY_SUB, x, one, true);
    x = put_relu(g, put_arithmetic(g, TP_BINARY_MUL, x, c, false));
    assert_int_equal(check_layers(g, ON(x)), 1);
    assert_int_equal(check_layers(g, ON(x, middle)), 3);
    tp_graph_free(g);
}

static void arithmetic_that_is_no_scale_or_shift_stays(void **state)
{
    (void)state;
    struct tp_graph *g = network(4, 5, 3);
    const struct tp_shape five = { .rank = 4, .dim = { 1, 1, 5, 1 } };
    struct tp_node zero = { .op = &tp_op_constant };
    zero.attr.constant.data = weights(g, 1, 0, 0);
    int none = put(g, zero, 0, NULL), one = put_divisor(g, (struct tp_shape){ .rank = 0 });
    int column = put_arithmetic(g, TP_BINARY_MUL, put_conv(g, 0, 5), put_divisor(g, five), false);
    int most = put_arithmetic(g, TP_BINARY_MAX, put_conv(g, 0, 5), one, false);
    int nan = put_arithmetic(g, TP_BINARY_DIV, put_conv(g, 0, 5), none, false);
    int behind = put_arithmetic(g, TP_BINARY_ADD, put_relu(g, put_conv(g, 0, 5)), one, false);
    int pooled = put_arithmetic(g, TP_BINARY_ADD, put_max_pool(g, 0), one, false);
    int wide = put_arithmetic(g, TP_BINARY_ADD, put_global(g, put_conv(g, 0, 5)),
                              put_divisor(g, five), false);
    int shared = put_conv(g, 0, 5), a = put_arithmetic(g, TP_BINARY_ADD, shared, one, false);
    int b = put_arithmetic(g, TP_BINARY_MUL, shared, one, false);
    const int layers[] = { column, most, nan, behind, pooled };
    for (int i = 0; i < 5; i++) assert_int_equal(check_layers(g, 1, &layers[i]), 2);
    assert_int_equal(check_layers(g, ON(wide)), 3);
    assert_int_equal(check_layers(g, ON(a, b)), 3);
    assert_int_equal(check_layers(g, ON(a)), 1);
    tp_graph_free(g);
}

/* ---- the graph ------------------------------------------------------------------------------- */

/* One graph serves every plan: what one plan folds must be there for the next. */
static void folding_leaves_the_graph_as_it_was(void **state)
{
    (void)state;
    struct tp_graph *g = network(6, 5, 4);
    int pad = put_padding(g, 0, 1, 1, 1, 1), conv = put_window(g, pad, TP_PADDING_EXPLICIT, 1);
    int bn = put_batch_norm(g, put_plain(g, &tp_op_identity, conv)), relu = put_relu(g, bn);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(check_layers(g, ON(relu)), 1);
        assert_int_equal(check_layers(g, ON(pad, conv, bn, relu)), 4);
        assert_int_equal(g->nodes[conv].n_inputs, 1);
        assert_int_equal(g->nodes[conv].inputs[0], pad);
        assert_int_equal(g->nodes[conv].attr.conv.window.pads[0], 1);
        assert_null(g->nodes[relu].scale);
    }
    tp_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_norm_and_an_activation_are_part_of_what_they_follow),
        cmocka_unit_test(batch_norms_that_follow_each_other_become_one),
        cmocka_unit_test(a_batch_norm_behind_an_activation_stays),
        cmocka_unit_test(an_activation_behind_an_activation_stays),
        cmocka_unit_test(a_convolution_that_is_read_twice_is_not_changed),
        cmocka_unit_test(a_batch_norm_alone_takes_an_activation_with_it),
        cmocka_unit_test(nothing_is_folded_into_the_input_a_constant_or_a_view),
        cmocka_unit_test(a_sum_is_part_of_the_convolution_that_it_adds_to),
        cmocka_unit_test(a_sum_by_the_binary_operator_is_folded_as_well),
        cmocka_unit_test(of_two_convolutions_one_takes_the_sum),
        cmocka_unit_test(sums_of_sums_are_folded_one_by_one),
        cmocka_unit_test(a_batch_norm_behind_a_sum_stays),
        cmocka_unit_test(sums_that_a_convolution_cannot_take_stay),
        cmocka_unit_test(sums_that_broadcast_stay),
        cmocka_unit_test(zeros_around_a_map_become_the_convolutions_own),
        cmocka_unit_test(padding_that_is_not_the_convolutions_stays),
        cmocka_unit_test(a_gate_in_front_of_a_pointwise_convolution_is_part_of_it),
        cmocka_unit_test(gates_that_a_convolution_cannot_take_stay),
        cmocka_unit_test(maxima_of_four_are_part_of_a_winograd_convolution),
        cmocka_unit_test(what_follows_maxima_stays),
        cmocka_unit_test(other_pools_stay),
        cmocka_unit_test(arithmetic_with_constants_is_part_of_what_it_follows),
        cmocka_unit_test(chains_of_arithmetic_become_one),
        cmocka_unit_test(arithmetic_that_is_no_scale_or_shift_stays),
        cmocka_unit_test(folding_leaves_the_graph_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
