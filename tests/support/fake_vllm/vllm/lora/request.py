"""What an adapter is asked for with."""

from dataclasses import dataclass


@dataclass
class LoRARequest:
    """Name, number and folder."""

    lora_name: str
    lora_int_id: int
    lora_path: str
