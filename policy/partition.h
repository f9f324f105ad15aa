/*
 * A device's esp_secure_cert partition: what the policy lets be signed for a
 * device of a profile, and what such a partition must be.
 */
#ifndef MM_PARTITION_H
#define MM_PARTITION_H

#include "policy/document.h"
#include "signer/scheme.h"

/* Whether devices of the profile have their partitions signed so: MM_E_PROFILE,
 * MM_E_PROFILE_DENIED where it is for no devices, MM_E_SCHEME. */
enum mm_error
mm_partition_signing(const struct mm_policy *policy, struct mm_span profile,
    struct mm_span signing, struct mm_signing_name *out) mm_must_use;

/*
 * What a partition says itself, against the certificate that its device has:
 * `certificate` is the SHA-256 of that one's DER. It has this certificate and
 * no signature yet, nothing behind its TLVs, and no private key in clear but
 * where the profile allows it. MM_E_PARTITION, saying which.
 */
enum mm_error mm_partition_check(const struct mm_profile *profile,
    const struct mm_image_facts *facts,
    const uint8_t certificate[32]) mm_must_use;

/*
 * The token process sees digests only, and a partition's needs an order and no
 * release: so each of a profile's partition signings names a key, and no
 * product's image is signed by that one. MM_E_POLICY.
 */
enum mm_error mm_partition_keys_check(const struct mm_policy *policy,
    const struct mm_profile *profile) mm_must_use;

/* Whether a signing of the policy names this key: then no signing that names
 * none is made by it. */
bool mm_policy_names_key(const struct mm_policy *policy, struct mm_span key);

#endif
