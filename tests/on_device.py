"""Which tests of the public functions `--device` runs with tensors on that device, and which not.

    python -m pytest --device GPU:0 tests/test_ops.py ...

Each test is then called within tf.device. The option changes nothing unless it is given.
"""

# What `make gpu-check-tensorflow` runs, a process for each group: modules, and of each test's cases
# one in so many. (On a GPU, XLA takes a second or more for each program.)
GROUPS = {
    "ops": (
        [
            *["test_ops", "test_ops_modes", "test_ops_dtypes", "test_ops_weights"],
            "test_ops_weights_gradient",
            *["test_ops_forward_mode", "test_images", "test_memo", "test_second_order"],
        ],
        2,
    ),
    "losses": (["test_losses", "test_keras", "test_leading_axes"], 2),
    "xla": (["test_xla", "test_compatibility"], 3),
}

# Promised of the CPU alone: that a memo's very buffer is the gradient, that negative weights are an
# error (a device tells nobody). And what puts its work on the CPU itself.
OF_THE_HOST = {
    "test_memo": ["test_the_expected_upstream_gives_back_the_memo_itself"],
    "test_losses": ["test_weight_multiplies_and_is_foreseen"],
    "test_xla": ["test_numbers_that_do_not_fit_are_refused_when_it_runs"],
    "test_compatibility": [
        "test_dataset_map",
        "test_mirrored_strategy_trains_as_one_device_does",
        "test_mirrored_strategy_leaves_a_replica_without_images",
        "test_deterministic_training_ends_in_the_same_weights",
    ],
}

# Models with convolutions, which are cuDNN's on a GPU; run with --device-libraries.
OF_LIBRARIES = {
    "test_losses": [
        "test_fit_follows_the_composition",
        "test_a_saved_model_brings_its_options_back",
    ],
    "test_keras": [
        "test_fit_with_weights_of_pixels",
        "test_fit_on_targets_with_holes",
        "test_mixed_precision",
        "test_two_outputs_with_loss_weights",
        "test_metrics_in_fit_and_in_a_saved_model",
    ],
    "test_leading_axes": ["test_fit_on_videos"],
    "test_xla": ["test_fit_compiled"],
}


def runs_on_device(module: str, function: str, libraries: bool) -> bool:
    """Whether a test is run with --device; `libraries`: whether CUDA's are there."""
    if function in OF_THE_HOST.get(module, []):
        return False
    return libraries or function not in OF_LIBRARIES.get(module, [])
