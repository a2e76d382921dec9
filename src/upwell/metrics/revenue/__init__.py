"""What subscriptions come to in money: levels, movements, rates. Pure; exact until display."""
