/*
 * What AWS wants to know of a release that is signed with sha256-ecdsa: the
 * job document that a device of FreeRTOS gets, and the input of `aws iot
 * create-ota-update --cli-input-json`. What only the owner of the account can
 * say stands there in capitals unless an option says it.
 */
#ifndef MM_RELEASE_OTA_H
#define MM_RELEASE_OTA_H

#include "cli/release_answer.h"

#define MM_OTA_OPTIONS \
	{"job-id", "ID", "of the OTA job (AFR_OTA-PRODUCT-VERSION)", false}, \
	    {"stream", "NAME", "the job's MQTT stream (as the job's id)", \
		false}, \
	    {"certfile", "NAME", \
		"how devices call the certificate (Code Verify Key)", false}, \
	    {"role-arn", "ARN", "the account's role for OTA updates", false}, \
	    {"target", "ARN", "a thing or group that gets it", \
		MM_OPTION_REPEATED}, \
	    {"bucket", "NAME", "the S3 bucket that has the file", false}, \
	{ \
		"object", "KEY", \
		    "its key there (PRODUCT/VERSION/firmware.bin)", false \
	}

/* What the documents are about. */
struct mm_ota_facts {
	const struct mm_invocation *invocation; /* its options, where it has
						 * them */
	const struct mm_release_signed *one;    /* by sha256-ecdsa */
	const char *file; /* that was signed: "firmware.bin" */
};

/* MM_E_USAGE: an option is not what AWS takes. The object is the caller's. */
enum mm_error
mm_ota_job(const struct mm_ota_facts *facts, json_t **out) mm_must_use;
enum mm_error
mm_ota_update(const struct mm_ota_facts *facts, json_t **out) mm_must_use;

#endif
