"""File systems: layers and the writable level above them, described as mounts; tar to layer and back."""
