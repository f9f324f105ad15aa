#include "protocol/genesis.h"

enum {
	GENESIS_BYTES = 65535,  /* what one log entry can hold */
	GENESIS_TEXT = 1 << 20, /* a long one goes beside the log */
	GENESIS_PRINCIPALS = 1000,
	GENESIS_ORDERS = 1000
};

static const struct mm_field principal_fields[] = {
    MM_MANY(mm_genesis_principal, 0, statements, &mm_bytes_item_shape, 1,
	MM_STATEMENTS_MAX),
    MM_OPTIONAL(mm_genesis_principal, 1, spki, MM_BYTES, 1, 4096)};
static MM_SHAPE(principal_shape, mm_genesis_principal, principal_fields);

static const struct mm_field order_fields[] = {MM_MANY(mm_genesis_order, 0,
    statements, &mm_bytes_item_shape, 1, MM_STATEMENTS_MAX)};
static MM_SHAPE(order_shape, mm_genesis_order, order_fields);

static const struct mm_field file_fields[] = {
    MM_FIELD(mm_genesis_file, 0, origin, MM_TEXT, 1, MM_ORIGIN_MAX),
    MM_FIELD(mm_genesis_file, 1, policy, MM_BYTES, 1, GENESIS_BYTES),
    MM_FIELD(mm_genesis_file, 2, text, MM_BYTES, 1, GENESIS_TEXT),
    MM_MANY(mm_genesis_file, 3, statements, &mm_bytes_item_shape, 1,
	MM_STATEMENTS_MAX),
    MM_ANY(
	mm_genesis_file, 4, principals, &principal_shape, GENESIS_PRINCIPALS),
    MM_ANY(mm_genesis_file, 5, orders, &order_shape, GENESIS_ORDERS)};
MM_SHAPE(mm_genesis_file_shape, mm_genesis_file, file_fields);
