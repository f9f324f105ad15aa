/*
 * CRC-32 of the reflected polynomial 0xEDB88320, as Espressif's formats have
 * it, in both of their ways: one starts the register at all ones and is the
 * CRC-32 of zlib and Ethernet (Secure Boot V2 blocks), the other at zero (NVS,
 * esp_secure_cert, otadata). Check values over "123456789": 0xCBF43926 and
 * 0xD202D277.
 */
#ifndef MM_CRC_H
#define MM_CRC_H

#include "protocol/bytes.h"

uint32_t mm_crc_std(struct mm_span bytes);
uint32_t mm_crc_esp(struct mm_span bytes);

#endif
