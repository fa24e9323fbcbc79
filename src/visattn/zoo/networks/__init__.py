"""Every published network of the zoo, table by table."""

from visattn.zoo.networks.table import NETWORKS as NETWORKS
