"""The programs our ring is compared with: small sources of ours around other people's rings."""
