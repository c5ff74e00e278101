"""Who gets what: definitions, buckets, evaluation, dependencies. Pure: no clock, no files, no network.

The theory, in the order in which a question is answered (DECISIONS section 1):

    override -> enabled -> requirements -> deny list -> allow list -> countries -> regions -> rules -> bucket

The first that decides ends it, and its name goes out with the answer as `decidedBy`. A requirement is asked the same
whole question first, so nobody has a feature without the ones that it stands on.

The bucket is a user's place 0 to 9,999 under a seed. A user has the flag where the bucket is below the percentage in
hundredths; therefore whoever is in stays in while the percentage grows. Flags of one seed order all users alike: the
flags of one rollout reach the same users, flags of separate rollouts are independent. A strategy's `holdout` is kept by
the rollout, which caps its last step: here the percentage in the state is all that decides.

`compile_flags` turns definitions and state into a `Ruleset` once a revision; a `Ruleset` answers for any number of
users and never raises for an odd context.
"""
