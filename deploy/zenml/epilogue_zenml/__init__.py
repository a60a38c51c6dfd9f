"""Lets a ZenML server launch its runners through Epilogue, which keeps their logs.

ZENML_SERVER_WORKLOAD_MANAGER_IMPLEMENTATION_SOURCE=epilogue_zenml.EpilogueWorkloadManager
"""

from .client import Client, EpilogueError
from .manager import EpilogueWorkloadManager

__all__ = ["Client", "EpilogueError", "EpilogueWorkloadManager"]
