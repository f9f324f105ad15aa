/*
 * Azure IoT Hub Device Provisioning Service: individual enrollments by X.509
 * (service REST API, "Individual Enrollment - Run Bulk Operation").
 */
#include <sodium.h>
#include <string.h>

#include "factory/register.h"

/* An enrollment's registration id is the certificate's common name: to 128 of
 * letters, digits and - . _ :, the last one a letter, a digit or -. */
static enum mm_error
check_id(const struct mm_registration *device)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "-._:";
	size_t length = strlen(device->name);

	if (length > 0 && strspn(device->name, allowed) == length &&
	    strchr("._:", device->name[length - 1]) == NULL)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "the common name \"%s\" (entry %llu) cannot be a registration id "
	    "of Azure DPS: A-Z a-z 0-9 - . _ and : alone, and the last one is "
	    "none of . _ :",
	    device->name, (unsigned long long)device->index);
}

static const char *
mode_of(const struct mm_registration *device, bool gone)
{
	if (gone)
		return "delete";
	return device->known ? "update" : "create";
}

static char *
base64(struct mm_span bytes)
{
	size_t size = sodium_base64_ENCODED_LEN(
	    bytes.size, sodium_base64_VARIANT_ORIGINAL);
	char *out = malloc(size);

	return out == NULL ? NULL
			   : sodium_bin2base64(out, size, bytes.data,
				 bytes.size, sodium_base64_VARIANT_ORIGINAL);
}

/* IndividualEnrollment: its attestation is required, to be deleted too. */
static json_t *
enrollment(const struct mm_registration *device)
{
	mm_autofree char *text = base64(device->certificate);

	return text == NULL
		   ? NULL
		   : json_pack("{s:s, s:s, s:{s:s, s:{s:{s:{s:s}}}}, s:s}",
			 "registrationId", device->name, "deviceId",
			 device->device, "attestation", "type", "x509", "x509",
			 "clientCertificates", "primary", "certificate", text,
			 "provisioningStatus", "enabled");
}

enum mm_error
mm_register_azure_end(struct mm_register_azure *azure, struct mm_buffer *out)
{
	json_t *waiting = azure->waiting;

	azure->waiting = NULL;
	if (waiting == NULL)
		return MM_OK;
	return mm_register_json(json_pack("{s:s, s:o}", "mode", azure->mode,
				    "enrollments", waiting),
	    out);
}

void
mm_register_azure_clear(struct mm_register_azure *azure)
{
	json_decref(azure->waiting);
	azure->waiting = NULL;
}

enum mm_error
mm_register_azure_add(struct mm_register_azure *azure,
    const struct mm_registration *device, bool gone, struct mm_buffer *out)
{
	const char *mode = mode_of(device, gone);
	enum mm_error error = check_id(device);

	if (error == MM_OK && azure->waiting != NULL &&
	    (strcmp(azure->mode, mode) != 0 ||
		json_array_size(azure->waiting) == MM_REGISTER_BULK))
		error = mm_register_azure_end(azure, out);
	if (error != MM_OK)
		return error;
	azure->mode = mode;
	if (azure->waiting == NULL)
		azure->waiting = json_array();
	return json_array_append_new(azure->waiting, enrollment(device)) == 0
		   ? MM_OK
		   : mm_fail(MM_E_MEMORY, "no memory for a row");
}

enum mm_error
mm_register_azure_csv(
    const struct mm_registration *device, bool gone, struct mm_buffer *out)
{
	mm_autofree char *text = NULL;
	enum mm_error error = check_id(device);

	if (error != MM_OK)
		return error;
	text = gone ? strdup("") : base64(device->certificate);
	if (text == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a row");
	/* Neither names nor base64 have what would have to be quoted. */
	mm_buffer_printf(out, "%s,%s,%s,%s\r\n", mode_of(device, gone),
	    device->name, device->device, text);
	return out->error == MM_OK ? MM_OK
				   : mm_fail(out->error, "no memory for a row");
}
