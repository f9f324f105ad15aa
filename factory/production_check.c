/*
 * A unit tried before the run: its values are there and fit.
 */
#include <string.h>

#include "factory/unit_parts.h"

/* Everything of a try. */
struct trial {
	const struct mm_production *p;
	struct mm_unit_values values;
	struct mm_buffer csr, spki, row;
};

static void
free_trial(struct trial **trial)
{
	if (*trial == NULL)
		return;
	mm_buffer_clear(&(*trial)->csr);
	mm_buffer_clear(&(*trial)->spki);
	mm_buffer_clear(&(*trial)->row);
	sodium_free(*trial);
}

static enum mm_error
try_label(const struct trial *trial)
{
	mm_auto(buffer) drawn = {0};
	enum mm_error error;

	mm_buffer_init(&drawn, MM_LABEL_DRAWN_MAX);
	error = mm_production_draw(trial->p, &trial->values.list, &drawn);
	if (drawn.data != NULL)
		sodium_memzero(drawn.data, drawn.size);
	return error;
}

static enum mm_error
try_images(const struct trial *trial)
{
	enum mm_error error = MM_OK;

	for (size_t i = 0; i < trial->p->image_count && error == MM_OK; i++)
		error = mm_unit_image_check(
		    trial->p->images[i].image, &trial->values.list);
	return error;
}

/* The device's id stands for the common name, which its profile makes. */
static enum mm_error
try_registration(struct trial *trial)
{
	static const uint8_t stand_in[] = {0};
	struct mm_span device =
	    mm_label_value(&trial->values.list, mm_span_text("device"))->value;
	struct mm_registration row = {
	    .certificate = mm_span(stand_in, sizeof(stand_in))};

	if (trial->p->registers == MM_REGISTER_NONE)
		return MM_OK;
	if (device.size >= sizeof(row.device))
		return mm_fail(MM_E_RANGE,
		    "the device id has %zu bytes; it can have %zu at most",
		    device.size, sizeof(row.device) - 1);
	mm_span_string(device, row.device, sizeof(row.device));
	mm_span_string(device, row.name, sizeof(row.name));
	return mm_unit_register_row(
	    trial->p, &row, mm_span_text("CA"), &trial->row);
}

enum mm_error
mm_production_check(
    const struct mm_production *p, const struct mm_unit_terms *terms)
{
	__attribute__((cleanup(free_trial))) struct trial *trial =
	    sodium_malloc(sizeof(*trial));
	enum mm_error error;

	if (trial == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a unit");
	memset(trial, 0, sizeof(*trial));
	trial->p = p;
	mm_buffer_init(&trial->csr, 16384);
	mm_buffer_init(&trial->spki, 4096);
	mm_buffer_init(&trial->row, 1 << 18);
	error = mm_unit_fill(p, terms, true, &trial->values);
	if (error == MM_OK && p->csr)
		error = mm_unit_read_csr(
		    p, &trial->values.list, &trial->csr, &trial->spki);
	if (error == MM_OK)
		error = try_label(trial);
	if (error == MM_OK)
		error = try_images(trial);
	return error == MM_OK ? try_registration(trial) : error;
}
