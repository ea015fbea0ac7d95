/* generated from wire/ by `python -m openoutcry.wire.generate`; do not edit */
#ifndef OUTCRY_REGISTERS_H
#define OUTCRY_REGISTERS_H
#include <stdint.h>

#define OUTCRY_GATEWAY_MAGIC UINT32_C(1464288079)
#define OUTCRY_MAP_HASH UINT32_C(328495608)
#define OUTCRY_WAYS UINT32_C(3)
#define OUTCRY_SLOT_BITS UINT32_C(9)
#define OUTCRY_PARTICIPANT_BITS UINT32_C(10)
#define OUTCRY_ROW_BITS UINT32_C(576)
#define OUTCRY_TIME_BITS UINT32_C(62)
#define OUTCRY_FRAME_PORTS UINT32_C(3)
#define OUTCRY_FRAME_OUTCOMES UINT32_C(21)
#define OUTCRY_PARSER_OUTCOMES UINT32_C(19)
#define OUTCRY_LEFT_OUT UINT32_C(2)
#define OUTCRY_FIVES_MODULUS UINT32_C(15625)
#define OUTCRY_CONTROL_CHECK_PARTICIPANTS UINT32_C(0)
#define OUTCRY_CONTROL_ARMED UINT32_C(1)

/* Byte offsets */
#define OUTCRY_REG_MAGIC 0x000 /* the letters OCGW: a gateway answers */
#define OUTCRY_REG_MAP_HASH 0x004 /* hash of this register map */
#define OUTCRY_REG_LAYOUT_HASH 0x008 /* hash of the record layout, low word first */
#define OUTCRY_REG_WAYS 0x010 /* hash tables read side by side */
#define OUTCRY_REG_SLOTS 0x014 /* slots of each way */
#define OUTCRY_REG_PARTICIPANTS 0x018 /* participants with a bit and a bucket: 0 to this - 1 */
#define OUTCRY_REG_STATUS 0x01c /* bit 0: a command (row_swap, participant_set) is under way */
#define OUTCRY_REG_CONTROL 0x020 /* bit 0: check the participants' bits; bit 1: armed, without it no order enters */
#define OUTCRY_REG_RATE_INTERVAL_NS 0x024 /* one order a participant in this time; 0 no limit */
#define OUTCRY_REG_RATE_BURST_NS 0x028 /* how far ahead of its rate a participant may run */
#define OUTCRY_REG_BAD_ACCESS_COUNT 0x02c /* accesses that got an error; saturates */
#define OUTCRY_REG_ORDER_COUNT 0x030 /* orders that left; reading the low word holds the high one */
#define OUTCRY_REG_ROW_INDEX 0x038 /* where row_swap writes: way * slots + slot */
#define OUTCRY_REG_ROW_SWAP 0x03c /* any value: the shadow becomes row row_index, all at once */
#define OUTCRY_REG_REASON_COUNT 0x040 /* orders with this bit of ErrorBit; saturates */
#define OUTCRY_REG_PARTICIPANT_SET 0x080 /* bits 15:0 the participant, bit 31 its bit; its bucket becomes full */
#define OUTCRY_REG_ROW_SHADOW 0x100 /* the row to be swapped in, low word first */
#define OUTCRY_REG_FRAME_COUNT 0x200 /* frames by port and outcome: word 21 * port + outcome; saturates */
#define OUTCRY_REG_LEFT_OUT_COUNT 0x300 /* records left out of packets taken: word 2 * port of participant 0, the next with a reserved order id; saturates */

/* Fields of a symbol table row: first bit, bits */
#define OUTCRY_ROW_SYMBOL_LOW 0 /* eight bytes as in the record; 0 is an empty row */
#define OUTCRY_ROW_SYMBOL_BITS 64
#define OUTCRY_ROW_MAX_PRICE_TICKS_LOW 64 /* signed */
#define OUTCRY_ROW_MAX_PRICE_TICKS_BITS 64
#define OUTCRY_ROW_MIN_QTY_LOTS_LOW 128 /* signed */
#define OUTCRY_ROW_MIN_QTY_LOTS_BITS 64
#define OUTCRY_ROW_MAX_QTY_LOTS_LOW 192 /* signed */
#define OUTCRY_ROW_MAX_QTY_LOTS_BITS 64
#define OUTCRY_ROW_COLLAR_LOW_LOW 256 /* reference * 10000 - width, not below 0; 0 no collar */
#define OUTCRY_ROW_COLLAR_LOW_BITS 80
#define OUTCRY_ROW_COLLAR_HIGH_LOW 336 /* reference * 10000 + width; all ones no collar */
#define OUTCRY_ROW_COLLAR_HIGH_BITS 80
#define OUTCRY_ROW_NOTIONAL_LIMIT_LOW 416 /* highest price * quantity; all ones no limit */
#define OUTCRY_ROW_NOTIONAL_LIMIT_BITS 126
#define OUTCRY_ROW_PRICE_TWOS_LOW 544 /* prices are multiples of 2 to this power */
#define OUTCRY_ROW_PRICE_TWOS_BITS 6
#define OUTCRY_ROW_PRICE_FIVES_LOW 552 /* prices are multiples of 5 to this power, 0 to 6 */
#define OUTCRY_ROW_PRICE_FIVES_BITS 3
#define OUTCRY_ROW_QTY_TWOS_LOW 560 /* quantities are multiples of 2 to this power */
#define OUTCRY_ROW_QTY_TWOS_BITS 6
#define OUTCRY_ROW_QTY_FIVES_LOW 568 /* quantities are multiples of 5 to this power, 0 to 6 */
#define OUTCRY_ROW_QTY_FIVES_BITS 3
#define OUTCRY_ROW_BY_SIDE_LOW 574 /* 1: price bands: collar_low is asked of new sells, collar_high of new buys */
#define OUTCRY_ROW_BY_SIDE_BITS 1
#define OUTCRY_ROW_HALTED_LOW 575 /* 1: no order may enter or be changed */
#define OUTCRY_ROW_HALTED_BITS 1

/* What each half byte of a symbol flips in its slot number, by its value */
static const uint16_t OUTCRY_HASH_TABLES[3][16][16] = {
    {
        {415, 43, 91, 121, 92, 410, 445, 298, 20, 48, 170, 221, 318, 245, 135, 81},
        {354, 376, 16, 58, 231, 200, 454, 264, 215, 220, 341, 300, 88, 377, 387, 489},
        {402, 145, 163, 332, 332, 356, 445, 149, 480, 0, 39, 498, 483, 152, 71, 160},
        {22, 456, 339, 299, 125, 241, 97, 395, 242, 15, 130, 361, 266, 191, 129, 46},
        {311, 338, 266, 476, 475, 106, 311, 322, 126, 152, 249, 379, 149, 369, 334, 111},
        {198, 424, 431, 336, 2, 349, 115, 419, 467, 219, 489, 388, 166, 449, 196, 52},
        {303, 435, 336, 201, 461, 245, 197, 74, 108, 357, 409, 149, 321, 446, 75, 140},
        {268, 287, 203, 204, 66, 313, 476, 100, 408, 92, 22, 382, 92, 385, 169, 290},
        {481, 471, 243, 105, 128, 435, 301, 86, 453, 493, 496, 319, 499, 310, 256, 496},
        {309, 402, 173, 404, 498, 27, 274, 189, 26, 43, 137, 99, 366, 109, 320, 439},
        {253, 64, 34, 151, 211, 252, 156, 434, 290, 494, 478, 362, 14, 109, 383, 279},
        {483, 361, 419, 26, 151, 348, 324, 188, 81, 301, 44, 342, 410, 342, 32, 267},
        {155, 284, 349, 101, 18, 253, 317, 64, 472, 246, 495, 274, 373, 396, 254, 201},
        {341, 10, 316, 270, 76, 105, 17, 379, 351, 199, 489, 194, 156, 465, 42, 201},
        {12, 178, 371, 178, 252, 246, 31, 47, 153, 279, 36, 471, 437, 288, 374, 380},
        {4, 484, 24, 431, 426, 380, 68, 416, 491, 419, 354, 129, 283, 246, 445, 175}
    },
    {
        {209, 134, 250, 292, 235, 162, 281, 316, 85, 298, 361, 53, 317, 226, 476, 199},
        {161, 361, 444, 45, 55, 86, 174, 262, 290, 207, 451, 340, 85, 170, 101, 100},
        {433, 477, 220, 124, 427, 75, 70, 143, 187, 173, 142, 115, 320, 274, 337, 479},
        {479, 64, 404, 212, 419, 342, 28, 452, 474, 511, 31, 73, 322, 275, 48, 451},
        {120, 27, 440, 301, 13, 89, 450, 393, 443, 480, 153, 275, 189, 4, 120, 32},
        {60, 212, 469, 433, 329, 121, 65, 342, 376, 207, 69, 135, 505, 360, 289, 157},
        {440, 190, 229, 391, 212, 253, 15, 401, 144, 264, 280, 81, 122, 227, 51, 446},
        {176, 289, 75, 493, 241, 0, 177, 174, 120, 393, 502, 351, 95, 287, 236, 339},
        {428, 448, 412, 349, 232, 280, 90, 287, 262, 341, 238, 165, 261, 342, 99, 314},
        {179, 402, 303, 245, 19, 13, 122, 274, 243, 439, 64, 327, 200, 329, 47, 200},
        {71, 182, 98, 368, 347, 39, 152, 443, 461, 448, 59, 492, 212, 69, 365, 59},
        {19, 457, 59, 205, 449, 138, 143, 195, 391, 337, 154, 82, 221, 249, 215, 337},
        {53, 369, 276, 6, 342, 415, 184, 222, 296, 223, 264, 287, 305, 143, 54, 454},
        {232, 108, 511, 277, 166, 86, 5, 315, 317, 461, 499, 451, 30, 68, 302, 319},
        {107, 456, 481, 102, 329, 212, 285, 365, 257, 377, 137, 231, 76, 326, 200, 342},
        {499, 180, 399, 333, 378, 295, 135, 357, 183, 261, 278, 172, 245, 222, 136, 472}
    },
    {
        {474, 96, 175, 75, 92, 6, 190, 436, 103, 506, 433, 121, 3, 136, 216, 101},
        {339, 307, 379, 248, 287, 420, 305, 107, 447, 449, 286, 237, 327, 413, 397, 410},
        {141, 466, 14, 255, 217, 312, 330, 287, 30, 97, 268, 256, 105, 474, 77, 465},
        {323, 11, 194, 339, 84, 167, 441, 69, 481, 71, 220, 407, 25, 491, 314, 266},
        {359, 196, 396, 261, 54, 424, 437, 382, 364, 32, 41, 108, 175, 444, 41, 252},
        {491, 336, 377, 398, 197, 325, 63, 375, 123, 279, 356, 117, 437, 95, 349, 508},
        {363, 5, 349, 353, 80, 450, 483, 118, 407, 24, 373, 204, 73, 168, 436, 236},
        {337, 218, 89, 482, 60, 61, 212, 483, 263, 23, 473, 480, 261, 170, 91, 372},
        {27, 1, 498, 229, 191, 347, 18, 321, 150, 412, 190, 78, 236, 205, 322, 314},
        {13, 14, 228, 427, 352, 213, 350, 125, 177, 113, 183, 333, 85, 24, 354, 125},
        {193, 155, 133, 132, 118, 374, 215, 303, 224, 462, 303, 358, 496, 150, 230, 166},
        {118, 63, 250, 124, 23, 309, 275, 374, 140, 151, 330, 176, 90, 411, 99, 490},
        {414, 43, 396, 36, 230, 388, 186, 253, 34, 217, 263, 324, 303, 389, 272, 35},
        {435, 492, 377, 490, 409, 213, 381, 240, 492, 139, 236, 300, 376, 105, 149, 273},
        {444, 463, 238, 259, 90, 423, 135, 91, 341, 452, 309, 63, 414, 108, 363, 368},
        {400, 154, 180, 60, 401, 44, 28, 406, 89, 10, 166, 28, 482, 484, 509, 400}
    }
};

#endif
