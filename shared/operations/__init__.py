"""Keep the installation running: retention, repair, health, and figures for operators."""
